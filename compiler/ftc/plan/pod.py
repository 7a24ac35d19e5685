"""The pod of a node: one complete template, to which a target adds its rendezvous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import environment, fetch, storage
from ftc.plan.escape import literal
from ftc.plan.files import MERGE
from ftc.plan.merge import merge
from ftc.plan.types import FILES, Fetch, File
from ftc.resources import script
from ftc.spec.launcher import Accelerate, Command, LlamafactoryCli, Torchrun
from ftc.spec.method import DeepSpeed
from ftc.spec.source import GitPush
from ftc.spec.tracking import Mlflow

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

TRAIN = "train"
_ANNOTATION = "ftc.dev"


def template(spec: JobSpec, fetched: tuple[Fetch, ...], files: tuple[File, ...], labels: dict[str, str]) -> Json:
    """The pod template, complete but for the rendezvous and the name of the job."""
    inits = [fetch.container(spec, f) for f in fetched]
    carried = carry(files)
    body: Json = {
        "metadata": {"labels": labels, "annotations": {**spec.annotations}},
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            **({"initContainers": inits} if inits else {}),
            "containers": [_train_container(spec, fetched, files)],
            "volumes": [],
        },
    }
    rest = [*storage.volumes(spec.storage), *_shm_volume(spec)]
    return merge(merge(body, carried), {"spec": {"volumes": rest}})


def carry(files: tuple[File, ...]) -> Json:
    """A fragment that brings files into the pod: annotations, projected by the downward API."""
    items = [
        {"path": f.name, "fieldRef": {"fieldPath": f"metadata.annotations['{_ANNOTATION}/{f.name}']"}} for f in files
    ]
    return {
        "metadata": {"annotations": {f"{_ANNOTATION}/{f.name}": f.text for f in files}},
        "spec": {"volumes": [{"name": "ftc", "downwardAPI": {"items": items}}]},
    }


def bind(run: RunPlan, rendezvous: str, job_name_label: str) -> Json:
    """The template with a target's rendezvous and the job's name, and the users' fragments over all."""
    name: Json = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{job_name_label}']"}}}
    bound = merge(run.template, carry((File("rendezvous.sh", script(rendezvous)),)))
    bound = merge(bound, {"spec": {"containers": [{"name": TRAIN, "env": [name]}]}})
    for fragment in run.fragments:
        bound = merge(bound, fragment)
    return bound


def _train_container(spec: JobSpec, fetched: tuple[Fetch, ...], files: tuple[File, ...]) -> Json:
    resources = _resources(spec)
    return {
        "name": TRAIN,
        "image": spec.image,
        **_command(spec),
        "env": [*environment.variables(_environment(spec, fetched, files)), *_credentials(spec)],
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [
            {"name": "ftc", "mountPath": FILES},
            *storage.mounts(spec.storage, fetching=False),
            *([{"name": "shm", "mountPath": "/dev/shm"}] if _shm_volume(spec) else []),  # noqa: S108 - the shared memory
        ],
    }


def _command(spec: JobSpec) -> Json:
    if isinstance(spec.launcher, Command):
        arguments = [literal(part) for part in (*spec.launcher.command, *spec.launcher.args)]
        return {"command": ["bash", f"{FILES}/launch.sh"], "args": arguments}
    return {"command": ["bash", f"{FILES}/train.sh"]}


def _resources(spec: JobSpec) -> Json:
    """Requests equal limits: devices cannot be overcommitted, and the rest then gives the pod the best class."""
    hardware = spec.hardware
    resources: Json = {
        "cpu": str(hardware.cpu_per_device * spec.devices),
        "memory": f"{hardware.memory_gib_per_device * spec.devices}Gi",
    }
    if hardware.device is not None:
        resources[hardware.device.resource] = spec.devices
        resources |= {share.resource: share.quantity for share in hardware.device.slices.values()}
    return resources


def _shm_volume(spec: JobSpec) -> list[Json]:
    size = spec.hardware.shm_gib_per_device * spec.devices
    return [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Gi"}}] if size else []


def _environment(spec: JobSpec, fetched: tuple[Fetch, ...], files: tuple[File, ...]) -> dict[str, str | None]:
    """The variables of the training container; those of the user come last and may replace the platform's."""
    topology: dict[str, str | None] = {
        "NNODES": str(spec.nodes),
        "NPROC_PER_NODE": str(spec.devices),
        "MASTER_PORT": str(spec.master_port),
        "WORKSPACE": spec.storage.workspace.mount_path,
        "ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None,
        "REQUIRED_TOOLS": " ".join(_tools(spec, files)) or None,
        "FORCE_TORCHRUN": "1" if _calls_torchrun(spec) else None,
    }
    places = {f"{f.name.upper()}_DIR": f.directory for f in fetched} if isinstance(spec.launcher, Command) else {}
    platform = {**spec.cluster.env, **spec.hardware.env, **spec.env}
    return {**topology, **places, **_publish(spec), **_tracking(spec), **platform}


def _calls_torchrun(spec: JobSpec) -> bool:
    """A single process stays one, unless DeepSpeed wants a process group (LLaMA-Factory, hparams/parser.py)."""
    several = spec.nodes * spec.devices > 1 or isinstance(spec.engine, DeepSpeed)
    return isinstance(spec.launcher, LlamafactoryCli) and several


def _tools(spec: JobSpec, files: tuple[File, ...]) -> list[str]:
    match spec.launcher:
        case LlamafactoryCli():
            tools = ["llamafactory-cli"]
        case Torchrun():
            tools = ["torchrun"]
        case Accelerate():
            tools = ["accelerate"]
        case Command():
            return []
    merging = ["llamafactory-cli"] if any(f.name == MERGE for f in files) else []
    pushing = ["git", "git-lfs"] if isinstance(spec.publish, GitPush) else []
    return list(dict.fromkeys([*tools, *merging, *pushing]))


def _publish(spec: JobSpec) -> dict[str, str | None]:
    sink = spec.publish
    if not isinstance(sink, GitPush) or spec.model is None or spec.dataset is None or spec.method is None:
        return {}
    tuned = f"{spec.method.finetuning_type} {spec.method.stage}"
    return {
        "PUBLISH_URL": sink.url,
        "PUBLISH_BRANCH_PREFIX": sink.branch_prefix,
        "PUBLISH_MESSAGE": f"{spec.model.id}: {tuned} on {', '.join(spec.dataset.names)}",
        "PUBLISH_AUTHOR_NAME": sink.author_name,
        "PUBLISH_AUTHOR_EMAIL": sink.author_email,
        "TLS_VERIFY": None if sink.tls_verify else "false",
    }


def _credentials(spec: JobSpec) -> list[Json]:
    return environment.git_credentials(spec.publish.credentials) if isinstance(spec.publish, GitPush) else []


def _tracking(spec: JobSpec) -> dict[str, str | None]:
    if not isinstance(spec.tracking, Mlflow):
        return {}
    return {"MLFLOW_TRACKING_URI": spec.tracking.uri, "MLFLOW_EXPERIMENT_NAME": spec.tracking.experiment}
