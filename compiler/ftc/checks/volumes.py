"""Rules on what is mounted and how long it lasts: the fragments' volumes beside those of the storage."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.checks.given import containers, pods, volumes
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity, did_you_mean
from ftc.plan import security
from ftc.plan.pod import CERTIFICATES, FILES, LOCK, LOCK_VOLUME, with_fragments
from ftc.plan.publish import publishes
from ftc.plan.quantity import quantity
from ftc.plan.storage import mounted
from ftc.spec.source import KeepOnVolume
from ftc.spec.storage import JobClaim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def result_outlives_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The result is not deleted with the job.

    Volcano deletes a job `ttl_seconds_after_finished` after its end, and with it the claim that was made for it
    (pkg/controllers/garbagecollector; the claim's owner is the job).

    Wrong: storage=job-lifetime ttl_seconds_after_finished=86400
    Right: storage=job-lifetime ttl_seconds_after_finished=86400 publish=git publish.url=https://git.example.com/m
    """
    seconds = spec.ttl_seconds_after_finished
    trains = spec.trains and isinstance(spec.publish, KeepOnVolume)
    if trains and seconds is not None and isinstance(spec.storage.workspace, JobClaim):
        message = f"deletes the trained model {seconds} seconds after the end: its claim goes with the job"
        yield Finding(("ttl_seconds_after_finished",), message, "add publish=git (or s3), or use a claim that exists")


def claim_is_made_once(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A job that is applied again keeps its claim.

    Volcano writes the name of the claim that it makes into the job. A second `kubectl apply` of the manifest removes
    that name, and Volcano makes another, empty claim (pkg/controllers/job/job_controller_actions.go). The webhook
    refuses a manifest that has a claim and a name for it.

    Wrong: naming=fixed storage=job-lifetime
    Right: naming=fixed storage=existing-claim
    """
    if run.job_claim and not run.generate_name:
        message = "is a claim that Volcano makes, and it makes another, empty one when the job is applied again"
        help_ = "use a claim that exists (storage=existing-claim), or naming=generate"
        yield Finding(("storage", "workspace"), message, help_, (("naming",),))


def claim_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A claim that is made for the job is larger than what must be free on it.

    A run that finds less than `storage.min_free_gib` on its workspace ends in its first second.

    Wrong: storage=job-lifetime storage.workspace.size=5Gi storage.min_free_gib=10
    Right: storage=job-lifetime storage.workspace.size=50Gi storage.min_free_gib=10
    """
    workspace = spec.storage.workspace
    if isinstance(workspace, JobClaim) and quantity(workspace.size) < spec.storage.min_free_gib * 2**30:
        message = f"{workspace.size} is less than the {spec.storage.min_free_gib} GiB that must be free"
        yield Finding(("storage", "workspace", "size"), message, "raise it, or lower storage.min_free_gib")


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


RULES = (
    Rule("FTC586", claim_is_made_once, target="volcano"),
    Rule("FTC221", result_outlives_the_job, Severity.WARNING),
    Rule("FTC222", claim_has_room),
    Rule("FTC223", image_stays_visible),
    Rule("FTC224", mounted_volumes_exist),
    Rule("FTC225", own_places_stay),
)
