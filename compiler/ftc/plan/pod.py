"""The pod of a node: a complete template, to which a target adds its rendezvous."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

from ftc.plan import publish, registry, security, storage, train
from ftc.plan.kubernetes import literal
from ftc.plan.merge import Fragment, Merged, Record, laid_over, merge, whole
from ftc.plan.names import CARRIED
from ftc.plan.storage import WORKSPACE
from ftc.plan.types import BoundRun, File, FromField, FromSecret, Places, RunPlan, Script, Step

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.cluster import Cluster
    from ftc.spec.job import JobSpec

FILES = "/etc/ftc"
CERTIFICATES = "/etc/ftc-ca"
LOCK = "/run/ftc-lock"
SHM = "/dev/shm"  # noqa: S108 - the shared memory
PLAN = "plan"
"""The fragment that all others are merged into."""
_GIB = 1 << 30
LOCK_VOLUME = "ftc-lock"
FILES_VOLUME = "ftc"


def places(spec: JobSpec) -> Places:
    """The directories of the steps in the pod."""
    return Places(FILES, spec.storage.workspace.mount_path, storage.cache_directory(spec.storage), LOCK)


def template(spec: JobSpec, steps: tuple[Step, ...], carried: Json, labels: dict[str, str]) -> Json:
    """The pod template without the rendezvous and the job's name."""
    together = {train.NAME: _train_container, publish.NAME: _publish_container}
    inits = [_fetch_container(spec, step) for step in steps if step.name not in together]
    body: Json = {
        "metadata": {"labels": labels, **({"annotations": {**spec.annotations}} if spec.annotations else {})},
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
    rest = [*own, *storage.volumes(spec.storage), *shm_volume(spec)]
    return merge(merge(body, carried), {"spec": {"volumes": rest}})


def carry(files: tuple[File, ...], scripts: tuple[Script, ...], config_map: str | None) -> Json:
    """A fragment that brings files into the pod: annotations, which the downward API projects.

    The target adds the scripts if a ConfigMap has them.
    """
    annotated: tuple[File | Script, ...] = files if config_map else (*files, *scripts)
    texts = {f"{CARRIED}{f.name}": f.text for f in annotated}
    fields = {f.name: f"metadata.annotations['{CARRIED}{f.name}']" for f in annotated}
    volume: Json = {"downwardAPI": {"items": [{"path": n, "fieldRef": {"fieldPath": f}} for n, f in fields.items()]}}
    if config_map:
        volume = {"projected": {"sources": [volume] if texts else []}}
    return {
        **({"metadata": {"annotations": texts}} if texts else {}),
        "spec": {"volumes": [{"name": FILES_VOLUME, **volume}]},
    }


def carry_scripts(scripts: tuple[Script, ...], config_map: str | None) -> Json:
    """A fragment that brings scripts into the pod, from a ConfigMap if there is one.

    The pod sees all scripts of the ConfigMap, so a release that adds one does not change the manifests. A script that
    this run has under another name is a file that sources it.
    """
    if config_map is None:
        return carry((), scripts, None)
    links = (File(one.name, f'source "${{BASH_SOURCE[0]%/*}}/{one.file}"') for one in scripts if one.file != one.name)
    carried = carry(tuple(links), (), config_map)
    carried["spec"]["volumes"][0]["projected"]["sources"].append({"configMap": {"name": config_map}})
    return carried


def bind(run: RunPlan, target: str, rendezvous: str, own: Json) -> BoundRun:
    """The run with a target's rendezvous and its `own` fragment, then the users' fragments.

    `own` sets JOB_NAME, which is unique to a job and stays the same when the job restarts.
    """
    others = run.scripts if run.config_map else ()
    carried = carry_scripts((*others, Script("rendezvous.sh", rendezvous)), run.config_map)
    added = [Fragment(target, part) for part in (carried, own)]
    fields = {field: getattr(run, field) for field in RunPlan.__struct_fields__}
    return BoundRun(**fields, target=target, pod=_complete(run, added))


def main_containers(run: RunPlan, **fields: list[Json]) -> Json:
    """A fragment for the containers that train and, if there is one, publish."""
    steps = [run.train_step, *([run.publish_step] if run.publish_step else [])]
    return {"spec": {"containers": [{"name": step.name, **fields} for step in steps]}}


def train_container(**fields: list[Json]) -> Json:
    """A fragment for the container that trains."""
    return {"spec": {"containers": [{"name": train.NAME, **fields}]}}


def renamed(template: Merged, name: str) -> Merged:
    """The template, in which the container that trains has another name."""
    body = template.at(("spec",))
    containers = [{**one, "name": name} if one["name"] == train.NAME else one for one in body.content["containers"]]
    return template.replaced("spec", *body.replaced("containers", containers, body.record.at(("containers",))))


def with_fragments(run: RunPlan) -> Json:
    """The template with the fragments of cluster, hardware and user; for a bound run, also those of its target."""
    template: Json = recorded(run).content
    return template


def recorded(run: RunPlan) -> Merged:
    """The same template, with the record of what set each field."""
    return run.pod if isinstance(run, BoundRun) else _complete(run, [])


def _complete(run: RunPlan, added: list[Fragment]) -> Merged:
    """The template with all fragments; a later one takes precedence."""
    parts = [whole(fragment) for fragment in (Fragment(PLAN, run.template), *added, *run.fragments)]
    bound = reduce(laid_over, parts)
    body = bound.at(("spec",))
    for field in _CONTAINERS:
        if field in body.content:
            kept = [_accepted(_secured(body.at((field, i)), run.rights)) for i in range(len(body.content[field]))]
            records = Record(body.record.at((field,)).source, {i: one.record for i, one in enumerate(kept)})
            body = body.replaced(field, [one.content for one in kept], records)
    return bound.replaced("spec", *body)


_CONTAINERS = ("initContainers", "containers")


def containers(pod: Json) -> list[Json]:
    """All containers of a pod, in the order in which they start."""
    return [container for field in _CONTAINERS for container in pod.get(field, [])]


def _secured(container: Merged, rights: Json) -> Merged:
    """A container with the cluster's security context; this includes containers that a fragment adds."""
    if not rights:
        return container
    own, given = container.at((_CONTEXT,)), whole(Fragment(PLAN, rights))
    return container.replaced(_CONTEXT, *(laid_over(given, own) if own.content is not None else given))


def _accepted(container: Merged) -> Merged:
    """A container without contradictions, and with quantities as strings, as typed clients require."""
    return _escalating(Merged(_with_quantities(container.content), container.record))


def _with_quantities(container: Json) -> Json:
    resources = container.get("resources", {})
    texts = {
        field: {name: str(amount) for name, amount in resources[field].items()}
        for field in ("requests", "limits")
        if field in resources
    }
    return {**container, "resources": {**resources, **texts}} if texts else container


def _escalating(container: Merged) -> Merged:
    """The API server rejects allowPrivilegeEscalation=false for a container that is privileged or has SYS_ADMIN."""
    context = container.at((_CONTEXT,))
    added = context.at(("capabilities", "add"))
    privileged = context.at(("privileged",))
    granted = [added.at((i,)) for i, name in enumerate(added.content or []) if name in _SYS_ADMIN]
    reasons = [*([privileged] if privileged.content is True else []), *granted]
    if not reasons or "allowPrivilegeEscalation" not in context.content:
        return container
    return container.replaced(_CONTEXT, *context.without("allowPrivilegeEscalation", reasons[0].record))


_CONTEXT = "securityContext"
_SYS_ADMIN = ("SYS_ADMIN", "CAP_SYS_ADMIN")


def _fetch_container(spec: JobSpec, step: Step) -> Json:
    """Without a device, which an init container would hold while it downloads.

    Files that it writes to a volume in memory count against its limit (Kubernetes, "emptyDir").
    """
    memory = spec.cluster.fetch_memory_gib + math.ceil(storage.downloads_in_memory(spec.storage) / _GIB)
    resources = {"cpu": str(spec.cluster.fetch_cpu), "memory": f"{memory}Gi"}
    return _container(spec, step, resources, storage.mounts(spec.storage))


def _train_container(spec: JobSpec, step: Step) -> Json:
    shm = [{"name": "shm", "mountPath": SHM}] if shm_volume(spec) else []
    lock = [{"name": LOCK_VOLUME, "mountPath": LOCK}] if publish.publishes(spec) else []
    return _container(spec, step, resources(spec), [*storage.mounts(spec.storage), *shm, *lock])


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
    own = [{"name": FILES_VOLUME, "mountPath": FILES}, *_ca_mount(cluster), *security.mounts(cluster, step.name)]
    return {
        "name": step.name,
        "image": registry.pulled(spec),
        "command": list(step.command),
        **({"args": [literal(argument) for argument in step.args]} if step.args else {}),
        "env": [_variable(name, value) for name, value in variables.items()],
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [*own, *mounts],
    }


def _variable(name: str, value: str | FromSecret | FromField) -> Json:
    if isinstance(value, FromSecret):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}
    if isinstance(value, FromField):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": value.path}}}
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


def resources(spec: JobSpec) -> Json:
    """The CPUs, the memory and the devices of the main container."""
    hardware = spec.hardware
    found: Json = {
        "cpu": str(hardware.cpu_per_device * spec.devices),
        "memory": f"{hardware.memory_gib_per_device * spec.devices + spec.storage.model_in_memory_gib}Gi",
    }
    if spec.network.resource is not None:
        found[spec.network.resource] = str(spec.network.quantity)
    if hardware.device is not None:
        found[hardware.device.resource] = str(spec.devices)
        found |= {share.resource: str(share.quantity) for share in hardware.device.slices.values()}
    return found


def shm_volume(spec: JobSpec) -> list[Json]:
    """The volume of the shared memory."""
    size = spec.hardware.shm_gib_per_device * spec.devices + spec.storage.model_in_memory_gib
    return [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Gi"}}] if size else []
