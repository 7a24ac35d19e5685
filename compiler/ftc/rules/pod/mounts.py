"""Rules on mounts: each is of a volume of the pod, at a path that hides nothing."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean
from ftc.manifests.configs import of_trainer
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import Pod
from ftc.plan import security
from ftc.plan.pod import CERTIFICATES, FILES, LOCK, LOCK_VOLUME, with_fragments
from ftc.plan.publish import publishes
from ftc.plan.storage import mounted
from ftc.rules.given import containers, pods, train, volumes
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import JobVolume, Mount
    from ftc.plan.types import RunPlan

# Rules on a spec.


# What an image has its programs and libraries in; a volume there hides them.
_PROGRAMS = frozenset(
    (
        *("/bin", "/sbin", "/lib", "/lib64", "/etc", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"),
        *("/usr/local", "/usr/local/bin", "/usr/local/lib"),
    )
)


def image_stays_visible(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A volume is mounted beside the image's programs, not over them.

    A mount hides what the image has in that directory: bash, python3 and their libraries are gone, and the container
    ends with `no such file or directory`.

    Wrong: storage.workspace.mount_path=/usr/local
    Right: storage.workspace.mount_path=/usr/local/work
    """
    mounts: list[tuple[KeyPath, str]] = [((*k, "mount_path"), volume.mount_path) for k, volume in volumes(spec).items()]
    for path, name, mount in _mounts(spec):
        mounts += [(path, mount["mountPath"])] if name in _ours(run) and "subPath" not in mount else []
    for path, directory in mounts:
        if str(PurePosixPath(directory)) in _PROGRAMS:
            yield Finding(path, f"a volume at {directory} hides the image's own files", "mount it elsewhere")


def _ours(run: RunPlan) -> set[str]:
    return {step.name for step in run.steps}


def _mounts(spec: JobSpec) -> Iterator[tuple[KeyPath, str, dict[str, str]]]:
    """The fragments' mounts: where each stands, the container's name and the mount."""
    for path, container in containers(spec):
        for index, mount in enumerate(container.get("volumeMounts", [])):
            yield (*path, "volumeMounts", index), container["name"], mount


def mounted_volumes_exist(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """What a fragment mounts is a volume of the pod.

    Volcano's webhook refuses the job: `volumeMounts[…].name: Not found`.

    Wrong: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: data, mountPath: /data}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: workspace, mountPath: /data}]}]}}'
    """
    known = {volume["name"] for volume in with_fragments(run)["spec"]["volumes"]}
    for path, _name, mount in _mounts(spec):
        if mount["name"] not in known:
            help_ = did_you_mean(mount["name"], known) or "add it to spec.volumes"
            yield Finding(path, f"the pod has no volume '{mount['name']}'", help_)


def own_places_stay(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A fragment leaves ftc's own volumes and their places alone.

    The scripts are read from there and the results written there: another volume in their place holds neither, and in a
    job of several pods Volcano mounts the host list at /etc/volcano itself (pkg/controllers/job/plugins/svc).

    Wrong: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /workspace}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /work}]}]}}'
    """
    places = _places(spec)
    for path, name, mount in _mounts(spec):
        owner = places.get(str(PurePosixPath(mount["mountPath"])))
        if name in _ours(run) and owner not in (None, mount["name"]):
            yield Finding(path, f"{mount['mountPath']} is the place of the volume '{owner}'", "mount it elsewhere")
    files = {v["name"] for v in run.template["spec"]["volumes"]} & {"ftc", "ca", security.VOLUME, LOCK_VOLUME}
    for place, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            if volume["name"] in files:
                message = f"'{volume['name']}' is a volume of ftc's own"
                yield Finding((*place, "volumes", index), message, "choose another name")


def _places(spec: JobSpec) -> dict[str, str]:
    """Where ftc and Volcano mount, and the volume that lies there."""
    found = {FILES: "ftc", **{volume.mount_path: name for name, volume in mounted(spec.storage)}}
    found |= {CERTIFICATES: "ca"} if spec.cluster.ca_bundle else {}
    found |= {security.HOME: security.VOLUME} if security.user(spec.cluster) else {}
    found |= {LOCK: LOCK_VOLUME} if publishes(spec) else {}
    found |= {"/etc/volcano": "of Volcano's host list"} if spec.nodes > 1 else {}
    return {str(PurePosixPath(path)): name for path, name in found.items()}


def toolkit_is_not_hidden(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """No volume covers the toolkit of the image.

    A mount over the directory that holds the vendor's environment script hides the script and the libraries.

    Wrong: hardware=ascend storage.workspace.mount_path=/usr/local/Ascend
    Right: hardware=ascend storage.workspace.mount_path=/workspace
    """
    mounts = [mount["mountPath"] for mount in train(run).get("volumeMounts", [])]
    for place in mounts:
        hidden = [s for s in spec.hardware.environment_scripts if s.startswith(f"{place.rstrip('/')}/")]
        if hidden:
            message = f"{hidden[0]} lies below {place}, where a volume is mounted over the image"
            yield Finding(("hardware", "environment_scripts"), message, "mount the volume elsewhere")


# Rules on manifests.


def mounts_name_volumes(step: Step) -> Iterator[Finding]:
    """A container mounts volumes that its pod has.

    The API server refuses the pod (volumeMounts.name: Not found), and Volcano's webhook the job.
    Source: Kubernetes, pkg/apis/core/validation (ValidateVolumeMounts).

    Wrong: tests/corpus/bad/FTC850-no-such-volume.yaml
    Right: tests/corpus/good/FTC850-volume-of-the-pod.yaml
    """
    names = {volume.name for volume in step.pod.spec.volumes} | _templates(step.pod)
    for index, mount in enumerate(step.container.volume_mounts):
        if mount.name and mount.name not in names:
            message = f"the pod has no volume '{mount.name}'"
            yield Finding(step.at("volumeMounts", index), message, did_you_mean(mount.name, names))


def _templates(pod: Pod) -> set[str]:
    """A StatefulSet makes volumes of its claim templates."""
    data = pod.job.object.document.data
    spec = data.get("spec") if isinstance(data, dict) and data.get("kind") == "StatefulSet" else {}
    claims = spec.get("volumeClaimTemplates") if isinstance(spec, dict) else []
    items = claims if isinstance(claims, list) else []
    return {str(item["metadata"].get("name")) for item in items if isinstance(item, dict) and "metadata" in item}


def volumes_are_mounted(run: Run) -> Iterator[Finding]:
    """A volume of a pod is mounted by one of its containers, where they look for it.

    The pod waits for it all the same; what should be on it is somewhere else.
    Source: Kubernetes, pkg/kubelet/volumemanager.

    Wrong: tests/corpus/bad/FTC851-volume-of-nobody.yaml
    Right: tests/corpus/good/FTC851-volume-of-the-init-container.yaml
    """
    for crew in run.job.crews:
        yield from _unmounted(Pod(run.job, crew))
    for step in run.steps:
        yield from _missed(run, step)


def _unmounted(pod: Pod) -> Iterator[Finding]:
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    used = {mount.name for container in containers for mount in container.volume_mounts}
    devices = any(pod.has("containers", index, "volumeDevices") for index in range(len(pod.spec.containers)))
    for index, volume in enumerate(pod.spec.volumes if not devices else ()):
        if volume.name and volume.name not in used:
            message = f"no container mounts volume '{volume.name}'"
            yield Finding(pod.at("volumes", index), message, "mount it, or drop it")


# How alike a directory that is looked for and one that is mounted are, where one is a slip.
_ALIKE = 0.85


def _missed(run: Run, step: Step) -> Iterator[Finding]:
    """Mounts of claims and of the node's directories that nobody looks for, where something looks nearly there."""
    kept = {v.name for i, v in enumerate(step.pod.spec.volumes) if v.persistent_volume_claim or _is_of_host(step, i)}
    paths = _paths(run, step) if kept else set()
    named = {path for path in paths if not any(_is_in(path, mount.mount_path) for mount in _all_mounts(step))}
    for index, mount in enumerate(step.container.volume_mounts if named else ()):
        place = PurePosixPath(mount.mount_path)
        idle = not any(_is_in(path, mount.mount_path) for path in paths)
        begun = {str(PurePosixPath(*PurePosixPath(path).parts[: len(place.parts)])) for path in named}
        near = get_close_matches(str(place), begun, n=1, cutoff=_ALIKE)
        if mount.name in kept and idle and near:
            message = f"nobody looks for {mount.mount_path}, and {near[0]} lies on no volume"
            yield Finding(
                step.at("volumeMounts", index), message, f"did you mean '{near[0]}'?", severity=Severity.WARNING
            )


def _is_of_host(step: Step, index: int) -> bool:
    return any(step.pod.has("volumes", index, kind) for kind in ("hostPath", "nfs"))


def _all_mounts(step: Step) -> tuple[Mount | JobVolume, ...]:
    return (*step.container.volume_mounts, *step.pod.job.job_volumes)


def _paths(run: Run, step: Step) -> set[str]:
    """The absolute paths that a container's script and the configurations that it reads name."""
    words = [w for c in step.script.commands for w in (*c.words, *(word for _, word in c.redirects))]
    values = [step.value(word) for word in words if word.raw.lstrip("\"'")[:1] in ("/", "$")]
    values += [
        v for config in of_trainer(run) if config.step is step for v in config.data.values() if isinstance(v, str)
    ]
    return {value for value in values if value is not None and value.startswith("/")}


def init_containers_see_it(step: Step) -> Iterator[Finding]:
    """An init container works on volumes that it has.

    What it writes where only the other containers have a volume is gone with it. Volcano mounts a job's volumes in
    containers only.
    Source: Volcano 1.8 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC854-prepared-for-nobody.yaml
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
                inside = text.startswith("/") and _is_in(text, directory)
                if inside and not any(_is_in(text, path) for path in own):
                    of_job = owner == "the job"
                    which = "which init containers do not get" if of_job else "and this one does not mount it"
                    message = f"{directory} is a volume of {owner}, {which}"
                    help_ = "mount the claim as a volume of the pod" if of_job else "mount it here, too"
                    yield Finding(step.program.at(word.start), message, help_)
                    return


def _is_in(path: str, directory: str) -> bool:
    return bool(directory) and PurePosixPath(path).is_relative_to(directory)


RULES = (
    Rule("FTC223", "mount-hides-image-files", image_stays_visible, JobSpec),
    Rule("FTC224", "unknown-volume-in-mount", mounted_volumes_exist, JobSpec),
    Rule("FTC225", "reserved-volume", own_places_stay, JobSpec),
    Rule("FTC323", "mount-hides-toolkit", toolkit_is_not_hidden, JobSpec, Severity.WARNING),
    Rule("FTC850", "mount-of-undeclared-volume", mounts_name_volumes, Step),
    Rule("FTC851", "unmounted-volume", volumes_are_mounted, Run, Severity.WARNING),
    Rule("FTC854", "init-container-misses-volume", init_containers_see_it, Step, Severity.WARNING),
)
