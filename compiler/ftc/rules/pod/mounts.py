"""Rules on mounts: they name volumes of the pod and do not hide files of the image."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean
from ftc.manifests.configs import of_trainer
from ftc.manifests.manifest import is_below
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import Pod
from ftc.plan import security
from ftc.plan.pod import CERTIFICATES, FILES, LOCK, LOCK_VOLUME, with_fragments
from ftc.plan.pod import containers as every_container
from ftc.plan.publish import publishes
from ftc.plan.storage import mounted
from ftc.rules.given import containers, pods, train, volumes
from ftc.rules.pod.libraries import libraries_of
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.manifest import JobVolume, Mount
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


# Directories with the image's programs and libraries; a volume mounted there hides them.
_IMAGE_DIRECTORIES = frozenset(
    (
        *("/bin", "/sbin", "/lib", "/lib64", "/etc", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"),
        *("/usr/local", "/usr/local/bin", "/usr/local/lib"),
    )
)


def mount_does_not_hide_image(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A volume is not mounted over the image's programs.

    A mount hides the files of the image in that directory. Without bash, python3 and their libraries the container
    fails with `no such file or directory`.
    Source: Kubernetes, Volumes.

    Wrong: storage.workspace.mount_path=/usr/local
    Right: storage.workspace.mount_path=/usr/local/work
    """
    mounts: list[tuple[KeyPath, str]] = [((*k, "mount_path"), volume.mount_path) for k, volume in volumes(spec).items()]
    for path, name, mount in _mounts(spec):
        mounts += [(path, mount["mountPath"])] if name in _step_names(run) and "subPath" not in mount else []
    for path, directory in mounts:
        if str(PurePosixPath(directory)) in _IMAGE_DIRECTORIES:
            yield Finding(path, f"a volume mounted at {directory} hides files of the image", "mount it elsewhere")


def _step_names(run: RunPlan) -> set[str]:
    return {step.name for step in run.steps}


def _mounts(spec: JobSpec) -> Iterator[tuple[KeyPath, str, dict[str, str]]]:
    """The mounts in the fragments, each with its place and its container's name."""
    for path, container in containers(spec):
        for index, mount in enumerate(container.get("volumeMounts", [])):
            yield (*path, "volumeMounts", index), container["name"], mount


def mounted_volumes_exist(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container mounts only volumes that its pod has.

    The API server rejects the pod (`volumeMounts.name: Not found`), and Volcano's webhook rejects the job.
    Source: Volcano, validate/admit_job.go; Kubernetes, pkg/apis/core/validation (ValidateVolumeMounts).

    Wrong: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: data, mountPath: /data}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: workspace, mountPath: /data}]}]}}'
    """
    known = {volume["name"] for volume in with_fragments(run)["spec"]["volumes"]}
    for path, _name, mount in _mounts(spec):
        if mount["name"] not in known:
            help_ = did_you_mean(mount["name"], known) or "add it to spec.volumes"
            yield Finding(path, f"the pod does not have a volume '{mount['name']}'", help_)


def no_reserved_volume(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment does not replace the volumes of ftc or of the storage, or mount over them.

    The run reads its scripts and its sources from these volumes and writes its results to them. With another volume,
    directory or access the results would be lost, or go where no later step looks. In a job of several pods Volcano
    also mounts the host list at /etc/volcano.
    Source: ftc, for its own volumes; Volcano, pkg/controllers/job/plugins/svc, for /etc/volcano.

    Wrong: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /workspace}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /work}]}]}}'
    """
    for path, name, mount in _mounts(spec):
        if name in _step_names(run) and (message := _taken(mount, name, spec, run)):
            yield Finding(path, message, "mount it elsewhere")
        elif message := _intrudes(mount, name, run):
            yield Finding(path, message, "mount another volume")
    stored = {name for name, _ in mounted(spec.storage)}
    own = {v["name"] for v in run.template["spec"]["volumes"]} & {"ftc", "ca", security.VOLUME, LOCK_VOLUME}
    for place, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            name, where = volume["name"], (*place, "volumes", index)
            if name in stored:
                help_ = f"describe it in {_key(name)}, or choose another name"
                yield Finding(where, f"'{name}' is a volume of the storage", help_)
            elif name in own:
                yield Finding(where, f"'{name}' is a volume of ftc", "choose another name")


def _key(volume: str) -> str:
    """The key of the spec that describes a volume of the storage."""
    return f"storage.more.{volume.removeprefix('more-')}" if volume.startswith("more-") else f"storage.{volume}"


# A mount of the same volume that changes these fields shows other files, or takes or gives the right to write.
_MEANING = ("subPath", "subPathExpr", "readOnly")


def _taken(mount: Json, container: str, spec: JobSpec, run: RunPlan) -> str:
    """Why a fragment must not mount something at a path; empty if it may."""
    place = PurePosixPath(normpath(mount["mountPath"]))
    owner = _reserved_paths(spec).get(str(place))
    if owner not in (None, mount["name"]):
        return f"{place} is reserved for {owner}"
    own = _own_mounts(run, container).get(str(place), mount)
    changed = [key for key in _MEANING if key in mount and (mount[key] or None) != (own.get(key) or None)]
    if changed:
        return f"{changed[0]} changes the mount of {owner} at {place}"
    inside = next((one for one in _private_paths(spec, run) if place.is_relative_to(one)), None)
    if inside is not None and owner is None:
        return f"{place} is inside {inside}, where ftc keeps its files"
    return ""


def _intrudes(mount: Json, container: str, run: RunPlan) -> str:
    """Why a container must not mount a volume that only some containers share; empty if it may."""
    names = {volume["name"] for volume in run.template["spec"]["volumes"]} & {security.VOLUME, LOCK_VOLUME}
    own = _own_mounts(run, container).get(normpath(mount["mountPath"]), {})
    if mount["name"] in names and own.get("name") != mount["name"]:
        return f"'{mount['name']}' is a volume of ftc that separates the containers from each other"
    return ""


def _own_mounts(run: RunPlan, container: str) -> dict[str, Json]:
    """The mounts that ftc gives to a container, by path."""
    found = [one["volumeMounts"] for one in every_container(run.template["spec"]) if one["name"] == container]
    return {normpath(mount["mountPath"]): mount for mounts in found for mount in mounts}


def _private_paths(spec: JobSpec, run: RunPlan) -> list[str]:
    """The directories that only ftc fills, and the run's directory, whose name is known if names are fixed."""
    found = [path for path, name in _reserved_paths(spec).items() if name in ("ftc", "ca", LOCK_VOLUME)]
    return found if run.generate_name else [*found, str(PurePosixPath(spec.storage.workspace.mount_path, run.name))]


def _reserved_paths(spec: JobSpec) -> dict[str, str]:
    """The mount paths of ftc and Volcano, each with what is mounted there."""
    found = {FILES: "ftc", **{volume.mount_path: name for name, volume in mounted(spec.storage)}}
    found |= {CERTIFICATES: "ca"} if spec.cluster.ca_bundle else {}
    found |= {security.HOME: security.VOLUME} if security.user(spec.cluster) else {}
    found |= {LOCK: LOCK_VOLUME} if publishes(spec) else {}
    found |= {"/etc/volcano": "the host list of Volcano"} if spec.nodes > 1 else {}
    return {str(PurePosixPath(path)): name for path, name in found.items()}


def mount_does_not_hide_toolkit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A volume does not hide the toolkit of the image.

    A mount over the directory of the vendor's environment script hides the script and the libraries of the image.
    Source: the vendors' images, whose environment scripts are in conf/hardware.

    Wrong: hardware=ascend storage.workspace.mount_path=/usr/local/Ascend
    Right: hardware=ascend storage.workspace.mount_path=/workspace
    """
    for mount in train(run).get("volumeMounts", []):
        if message := _hides(mount["mountPath"], spec.hardware.environment_scripts):
            yield Finding(("hardware", "environment_scripts"), message, "mount the volume elsewhere")


def _hides(directory: str, scripts: Iterable[str]) -> str:
    """What a volume in a directory hides of the toolkit, as a message."""
    hidden = [script for script in scripts if directory and script.startswith(f"{directory.rstrip('/')}/")]
    return f"the volume at {directory} hides {hidden[0]} and the rest of the image's toolkit" if hidden else ""


# Rules on manifests.


def mounted_volumes_exist_in_manifests(step: Step) -> Iterator[Finding]:
    """The containers of a manifest mount only volumes of their pod."""
    names = {volume.name for volume in step.pod.spec.volumes} | _claim_templates(step.pod)
    for index, mount in enumerate(step.container.volume_mounts):
        if mount.name and mount.name not in names:
            message = f"the pod does not have a volume '{mount.name}'"
            yield Finding(
                step.at("volumeMounts", index), message, did_you_mean(mount.name, names) or "add it to spec.volumes"
            )


def mount_does_not_hide_toolkit_in_manifests(step: Step) -> Iterator[Finding]:
    """The volumes of a manifest do not hide the toolkit of the container's devices."""
    known = libraries_of(step)
    for index, mount in enumerate(step.container.volume_mounts):
        if known is not None and (message := _hides(mount.mount_path, known.scripts)):
            yield Finding(step.at("volumeMounts", index), message, "mount it elsewhere")


def _claim_templates(pod: Pod) -> set[str]:
    """The volumes that a StatefulSet or a JobSet creates from its claim templates."""
    data = pod.job.object.document.data
    spec = data.get("spec") if isinstance(data, dict) and data.get("kind") == "StatefulSet" else {}
    lists = [spec.get("volumeClaimTemplates") if isinstance(spec, dict) else []]
    if pod.job.job_set is not None:
        lists += [policy.get("templates") for policy in pod.job.job_set.volume_claim_policies]
    items = [item for found in lists if isinstance(found, list) for item in found]
    return {str(item["metadata"].get("name")) for item in items if isinstance(item, dict) and "metadata" in item}


def volumes_are_mounted(run: Run) -> Iterator[Finding]:
    """A container mounts each volume of its pod, at the path that its script uses.

    The pod waits for an unmounted volume too. A script that uses another path does not find the data. A container that
    a webhook adds may mount any volume.
    Source: Kubernetes, pkg/kubelet/volumemanager.

    Wrong: tests/corpus/bad/FTC851-unmounted-volume.yaml
    Right: tests/corpus/good/FTC851-volume-of-the-init-container.yaml
    """
    for crew in run.job.crews:
        yield from _unmounted(Pod(run.job, crew))
    for step in run.steps:
        yield from _misplaced(run, step)


# Labels and annotations by which webhooks add a container, which may mount any volume of the pod.
_INJECTS = re.compile(r"inject|sidecar|^gke-[a-z]+/volumes$|^dapr\.io/enabled$")
# GKE's sidecar mounts the volumes with these names.
_OF_SIDECARS = ("gke-gcsfuse-", "gke-parallelstore-")


def _marks(pod: Pod) -> list[tuple[str, str]]:
    metadata = pod.crew.template.metadata
    return [*metadata.annotations.items(), *metadata.labels.items(), *pod.job.metadata.annotations.items()]


def _unmounted(pod: Pod) -> Iterator[Finding]:
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    used = {mount.name for container in containers for mount in container.volume_mounts}
    devices = any(pod.has("containers", index, "volumeDevices") for index in range(len(pod.spec.containers)))
    injected = any(_INJECTS.search(key) and value != "false" for key, value in _marks(pod))
    for index, volume in enumerate(pod.spec.volumes if not devices and not injected else ()):
        if volume.name and volume.name not in used and not volume.name.startswith(_OF_SIDECARS):
            message = f"no container mounts volume '{volume.name}'"
            yield Finding(pod.at("volumes", index), message, "mount it, or remove it")


# The similarity from which a path that is used counts as a misspelling of a path that is mounted.
_SIMILARITY = 0.85


def _misplaced(run: Run, step: Step) -> Iterator[Finding]:
    """Mounts of claims and host directories that the script does not use, if it uses a similar path."""
    kept = {v.name for i, v in enumerate(step.pod.spec.volumes) if v.persistent_volume_claim or _is_host_path(step, i)}
    paths = _paths(run, step) if kept else set()
    named = {path for path in paths if not any(_below(path, mount.mount_path) for mount in _all_mounts(step))}
    for index, mount in enumerate(step.container.volume_mounts if named else ()):
        place = PurePosixPath(mount.mount_path)
        idle = not any(_below(path, mount.mount_path) for path in paths)
        begun = {str(PurePosixPath(*PurePosixPath(path).parts[: len(place.parts)])) for path in named}
        near = get_close_matches(str(place), begun, n=1, cutoff=_SIMILARITY)
        if mount.name in kept and idle and near:
            message = f"{mount.mount_path} is not used, and {near[0]} is not on a volume"
            yield Finding(
                step.at("volumeMounts", index), message, f"did you mean '{near[0]}'?", severity=Severity.WARNING
            )


def _is_host_path(step: Step, index: int) -> bool:
    return any(step.pod.has("volumes", index, kind) for kind in ("hostPath", "nfs"))


def _all_mounts(step: Step) -> tuple[Mount | JobVolume, ...]:
    return (*step.container.volume_mounts, *step.pod.job.job_volumes)


def _paths(run: Run, step: Step) -> set[str]:
    """The absolute paths in the script of a container and in the configurations that it reads."""
    words = [w for c in step.script.commands for w in (*c.words, *(word for _, word in c.redirects))]
    values = [step.value(word) for word in words if word.raw.lstrip("\"'")[:1] in ("/", "$")]
    values += [
        v for config in of_trainer(run) if config.step is step for v in config.data.values() if isinstance(v, str)
    ]
    return {value for value in values if value is not None and value.startswith("/")}


def init_containers_mount_the_volume(step: Step) -> Iterator[Finding]:
    """An init container mounts the volumes that it writes to.

    Files that it writes elsewhere are lost when it exits. Volcano does not mount the volumes of a job in init
    containers.
    Source: Volcano 1.8 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC854-prepared-outside-the-volume.yaml
    Right: tests/corpus/good/FTC854-prepared-on-a-volume-of-the-pod.yaml
    """
    if not step.init or step.program is None:
        return
    own = [mount.mount_path for mount in step.container.volume_mounts]
    claims = {volume.name for volume in step.pod.spec.volumes if volume.persistent_volume_claim is not None}
    others = {m.mount_path for other in step.pod.spec.containers for m in other.volume_mounts if m.name in claims}
    directories = dict.fromkeys(sorted(others), "the other containers")
    directories |= {volume.mount_path: "the job" for volume in step.pod.job.job_volumes}
    for directory, owner in directories.items():
        for command in step.program.script.commands:
            words = (*command.words, *(word for _, word in command.redirects))
            for word in words:
                text = (step.value(word) or "") if word.raw.lstrip("\"'")[:1] in ("/", "$") else ""
                inside = text.startswith("/") and _below(text, directory)
                if inside and not any(_below(text, path) for path in own):
                    of_job = owner == "the job"
                    which = (
                        "which init containers do not get" if of_job else "but this init container does not mount it"
                    )
                    message = f"{directory} is a volume of {owner}, {which}"
                    help_ = "mount the claim as a volume of the pod" if of_job else "mount it here too"
                    yield Finding(step.program.at(word.start), message, help_)
                    return


def _below(path: str, directory: str) -> bool:
    return bool(directory) and is_below(path, directory)


RULES = (
    Rule("FTC223", "mount-hides-image-files", mount_does_not_hide_image, JobSpec),
    Rule(
        "FTC224",
        "unknown-volume-in-mount",
        mounted_volumes_exist,
        JobSpec,
        in_manifests=(mounted_volumes_exist_in_manifests, Step),
    ),
    Rule("FTC225", "reserved-volume", no_reserved_volume, JobSpec),
    Rule(
        "FTC323",
        "mount-hides-toolkit",
        mount_does_not_hide_toolkit,
        JobSpec,
        Severity.WARNING,
        in_manifests=(mount_does_not_hide_toolkit_in_manifests, Step),
    ),
    Rule("FTC851", "unmounted-volume", volumes_are_mounted, Run, Severity.WARNING),
    Rule("FTC854", "init-container-misses-volume", init_containers_mount_the_volume, Step, Severity.WARNING),
)
