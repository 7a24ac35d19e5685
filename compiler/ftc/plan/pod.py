"""The pod of a node: a complete template, to which a target adds its rendezvous."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftc.plan import publish, security, storage, train
from ftc.plan.escape import literal
from ftc.plan.merge import merge
from ftc.plan.storage import WORKSPACE
from ftc.plan.types import File, FromSecret, Places, RunPlan, Step
from ftc.resources import script

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.cluster import Cluster
    from ftc.spec.job import JobSpec

FILES = "/etc/ftc"
CERTIFICATES = "/etc/ftc-ca"
LOCK = "/run/ftc-lock"
SHM = "/dev/shm"  # noqa: S108 - the shared memory
# The prefix of annotations that carry files.
CARRIED = "ftc.dev/"
_GIB = 1 << 30
LOCK_VOLUME = "ftc-lock"


def places(spec: JobSpec) -> Places:
    """The directories of the steps in the pod."""
    return Places(FILES, spec.storage.workspace.mount_path, storage.cache_directory(spec.storage), LOCK)


def template(spec: JobSpec, steps: tuple[Step, ...], files: tuple[File, ...], labels: dict[str, str]) -> Json:
    """The pod template without the rendezvous and the job's name."""
    together = {train.NAME: _train_container, publish.NAME: _publish_container}
    inits = [_fetch_container(spec, step) for step in steps if step.name not in together]
    body: Json = {
        "metadata": {"labels": labels, "annotations": {**spec.annotations}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": spec.termination_grace_seconds,
            "enableServiceLinks": False,
            **security.of_pod(spec.cluster),
            **({"initContainers": inits} if inits else {}),
            "containers": [together[step.name](spec, step) for step in steps if step.name in together],
            "volumes": [],
        },
    }
    cluster = spec.cluster
    own = [*_ca_volume(cluster), *security.volumes(cluster, [step.name for step in steps]), *_lock_volume(spec)]
    rest = [*own, *storage.volumes(spec.storage), *_shm_volume(spec)]
    return merge(merge(body, carry(files)), {"spec": {"volumes": rest}})


def carry(files: tuple[File, ...]) -> Json:
    """A fragment that brings files into the pod as annotations, projected by the downward API."""
    items = [{"path": f.name, "fieldRef": {"fieldPath": f"metadata.annotations['{CARRIED}{f.name}']"}} for f in files]
    return {
        "metadata": {"annotations": {f"{CARRIED}{f.name}": f.text for f in files}},
        "spec": {"volumes": [{"name": "ftc", "downwardAPI": {"items": items}}]},
    }


def bind(run: RunPlan, rendezvous: str, own: Json) -> Json:
    """The template with a target's rendezvous and its `own` fragment, then the users' fragments.

    `own` sets JOB_NAME, which is unique to a job and stays the same when the job restarts.
    """
    bound = merge(run.template, carry((File("rendezvous.sh", script(rendezvous)),)))
    return with_fragments(run, merge(bound, own))


def main_containers(run: RunPlan, **fields: list[Json]) -> Json:
    """A fragment for the containers that train and, if there is one, publish."""
    steps = [run.train_step, *([run.publish_step] if run.publish_step else [])]
    return {"spec": {"containers": [{"name": step.name, **fields} for step in steps]}}


def train_container(**fields: list[Json]) -> Json:
    """A fragment for the container that trains."""
    return {"spec": {"containers": [{"name": train.NAME, **fields}]}}


def with_fragments(run: RunPlan, template: Json | None = None) -> Json:
    """The template with the fragments of cluster, hardware and user; a later one takes precedence."""
    bound = template or run.template
    for fragment in run.fragments:
        bound = merge(bound, fragment)
    body = bound["spec"]
    kept = {f: [_accepted(_secured(c, run.rights)) for c in body[f]] for f in _CONTAINERS if f in body}
    return {**bound, "spec": {**body, **kept}}


_CONTAINERS = ("initContainers", "containers")


def containers(pod: Json) -> list[Json]:
    """All containers of a pod, in the order in which they start."""
    return [container for field in _CONTAINERS for container in pod.get(field, [])]


def _secured(container: Json, rights: Json) -> Json:
    """A container with the cluster's security context; this includes containers that a fragment adds."""
    if not rights:
        return container
    return {**container, "securityContext": merge(rights, container.get("securityContext", {}))}


def _accepted(container: Json) -> Json:
    """A container without contradictions, and with quantities as strings, as typed clients require."""
    return _escalating(_with_quantities(container))


def _with_quantities(container: Json) -> Json:
    resources = container.get("resources", {})
    texts = {
        field: {name: str(amount) for name, amount in resources[field].items()}
        for field in ("requests", "limits")
        if field in resources
    }
    return {**container, "resources": {**resources, **texts}} if texts else container


def _escalating(container: Json) -> Json:
    """The API server rejects allowPrivilegeEscalation=false for a container that is privileged or has SYS_ADMIN."""
    context = container.get("securityContext", {})
    added = context.get("capabilities", {}).get("add", [])
    if context.get("privileged") is True or {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(added):
        kept = {key: value for key, value in context.items() if key != "allowPrivilegeEscalation"}
        return {**container, "securityContext": kept}
    return container


def _fetch_container(spec: JobSpec, step: Step) -> Json:
    """Without a device, which an init container would hold while it downloads.

    Files that it writes to a volume in memory count against its limit (Kubernetes, "emptyDir").
    """
    memory = spec.cluster.fetch_memory_gib + math.ceil(storage.downloads_in_memory(spec.storage) / _GIB)
    resources = {"cpu": str(spec.cluster.fetch_cpu), "memory": f"{memory}Gi"}
    return _container(spec, step, resources, storage.mounts(spec.storage))


def _train_container(spec: JobSpec, step: Step) -> Json:
    shm = [{"name": "shm", "mountPath": SHM}] if _shm_volume(spec) else []
    lock = [{"name": LOCK_VOLUME, "mountPath": LOCK}] if publish.publishes(spec) else []
    return _container(spec, step, _resources(spec), [*storage.mounts(spec.storage), *shm, *lock])


def _publish_container(spec: JobSpec, step: Step) -> Json:
    """It waits during the training, without a device, and has the resources of a download.

    It writes to its home only: volumes that the training can write to are mounted read-only.
    """
    resources = {"cpu": str(spec.cluster.fetch_cpu), "memory": f"{spec.cluster.fetch_memory_gib}Gi"}
    workspace = [{**mount, "readOnly": True} for mount in storage.mounts(spec.storage) if mount["name"] == WORKSPACE]
    return _container(spec, step, resources, [*workspace, {"name": LOCK_VOLUME, "mountPath": LOCK, "readOnly": True}])


def _container(spec: JobSpec, step: Step, resources: Json, mounts: list[Json]) -> Json:
    """Requests equal limits: devices cannot be overcommitted, and the pod then has the QoS class Guaranteed."""
    cluster = spec.cluster
    variables = {**security.variables(cluster, step.name), **step.env, **_trust(cluster)}
    own = [{"name": "ftc", "mountPath": FILES}, *_ca_mount(cluster), *security.mounts(cluster, step.name)]
    return {
        "name": step.name,
        "image": spec.image,
        "command": list(step.command),
        **({"args": [literal(argument) for argument in step.args]} if step.args else {}),
        "env": [_variable(name, value) for name, value in variables.items()],
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [*own, *mounts],
    }


def _variable(name: str, value: str | FromSecret) -> Json:
    if isinstance(value, FromSecret):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}
    return {"name": name, "value": literal(value)}


def _ca_volume(cluster: Cluster) -> list[Json]:
    return [{"name": "ca", "configMap": {"name": cluster.ca_bundle.config_map}}] if cluster.ca_bundle else []


def _ca_mount(cluster: Cluster) -> list[Json]:
    return [{"name": "ca", "mountPath": CERTIFICATES}] if cluster.ca_bundle else []


def _trust(cluster: Cluster) -> dict[str, str]:
    """The variables in which git, curl, requests and OpenSSL look for certificates."""
    if cluster.ca_bundle is None:
        return {}
    names = ("GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    return dict.fromkeys(names, f"{CERTIFICATES}/{cluster.ca_bundle.key}")


def _lock_volume(spec: JobSpec) -> list[Json]:
    return [{"name": LOCK_VOLUME, "emptyDir": {}}] if publish.publishes(spec) else []


def _resources(spec: JobSpec) -> Json:
    hardware = spec.hardware
    resources: Json = {
        "cpu": str(hardware.cpu_per_device * spec.devices),
        "memory": f"{hardware.memory_gib_per_device * spec.devices + spec.storage.model_in_memory_gib}Gi",
    }
    if spec.network.resource is not None:
        resources[spec.network.resource] = str(spec.network.quantity)
    if hardware.device is not None:
        resources[hardware.device.resource] = str(spec.devices)
        resources |= {share.resource: str(share.quantity) for share in hardware.device.slices.values()}
    return resources


def _shm_volume(spec: JobSpec) -> list[Json]:
    size = spec.hardware.shm_gib_per_device * spec.devices + spec.storage.model_in_memory_gib
    return [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Gi"}}] if size else []
