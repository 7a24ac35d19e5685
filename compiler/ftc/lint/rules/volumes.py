"""Rules on volumes: who sees them, and what is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import KeyPath, Severity
from ftc.lint.amounts import amount
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.subjects import MANY, Job, Pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.manifest import ClaimSpec
    from ftc.lint.pod_manifest import PodSpec
    from ftc.lint.text import Spot

_ONE_NODE = ("ReadWriteOnce", "ReadWriteOncePod")
_HOSTNAME = "kubernetes.io/hostname"


def claims_reach_all_pods(run: Run) -> Iterator[Finding]:
    """A claim that several pods mount can be attached to several nodes.

    A ReadWriteOnce volume attaches to one: a pod on another node waits for it for ever (Multi-Attach error), or stays
    pending where the storage is of one node.
    Source: Kubernetes, access modes; pkg/volume; LLaMA-Factory issues on output_dir that is not shared, 2398, 2400.

    Wrong: tests/corpus/bad/FTC852-one-node-claim-on-two-nodes.yaml
    Right: tests/corpus/good/FTC852-shared-claim-on-two-nodes.yaml
    """
    job = run.job
    total = job.total or 0
    for index, volume in enumerate(job.job_volumes):
        if volume.volume_claim is not None and _is_of_one_node(volume.volume_claim):
            place = job.at("spec", "volumes", index, "volumeClaim", "accessModes")
            yield from _too_few(run, total, volume.volume_claim, Finding(place, "the claim of the job"))
        elif volume.volume_claim_name:
            place = job.at("spec", "volumes", index, "volumeClaimName")
            yield from _named(run, place, volume.volume_claim_name, total)
    pods: dict[str, int] = {}
    for crew in job.crews:
        for name in {
            v.persistent_volume_claim.claim_name for v in crew.template.spec.volumes if v.persistent_volume_claim
        }:
            pods[name] = pods.get(name, 0) + (crew.replicas or 0)
    for crew in job.crews:
        for index, of_pod in enumerate(crew.template.spec.volumes):
            if of_pod.persistent_volume_claim is not None:
                name = of_pod.persistent_volume_claim.claim_name
                place = job.at(*crew.path, "spec", "volumes", index, "persistentVolumeClaim", "claimName")
                yield from _named(run, place, name, pods[name])


def _named(run: Run, place: Spot, name: str, pods: int) -> Iterator[Finding]:
    found = run.job.scene.claim(run.job.find(name))
    if found is not None and _is_of_one_node(found[1].spec):
        related = found[0].at("spec", "accessModes")
        yield from _too_few(run, pods, found[1].spec, Finding(place, f"claim '{name}'", related=(related,)))


def _is_of_one_node(claim: ClaimSpec) -> bool:
    return bool(claim.access_modes) and all(mode in _ONE_NODE for mode in claim.access_modes)


def _too_few(run: Run, pods: int, claim: ClaimSpec, found: Finding) -> Iterator[Finding]:
    """The finding, with what is wrong with the claim that it names."""
    mode = claim.access_modes[0]
    help_ = "ask for ReadWriteMany, of a storage class that has it"
    if pods >= MANY and not all(_stays(crew.template.spec) for crew in run.job.crews):
        message = f"{found.message} is {mode}, for one node, and {pods} pods mount it"
        yield msgspec.structs.replace(found, message=message, help=help_)
    elif pods == 1 and run.spreads:
        message = f"{found.message} is {mode}, for one node, and the script is written for several pods"
        yield msgspec.structs.replace(found, message=message, help=help_, severity=Severity.NOTE)


def _stays(spec: PodSpec) -> bool:
    """Whether all pods are bound to one node."""
    affinity = spec.affinity.get("podAffinity")
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") if isinstance(affinity, dict) else None
    together = isinstance(required, list) and any(
        isinstance(term, dict) and term.get("topologyKey") == _HOSTNAME for term in required
    )
    return together or bool(spec.node_name) or _HOSTNAME in spec.node_selector


def job_volumes_are_whole(job: Job) -> Iterator[Finding]:
    """A volume of a VolcanoJob names a claim, or says what claim to make, and each claim once.

    The webhook refuses both and neither; of two entries for one claim Volcano mounts the first only, and says nothing.
    Source: Volcano, validate/admit_job.go; pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC853-claim-named-and-made.yaml
    Right: tests/corpus/good/FTC853-two-claims.yaml
    """
    first: dict[str, KeyPath] = {}
    for index, volume in enumerate(job.job_volumes):
        path: KeyPath = ("spec", "volumes", index)
        named, made = job.object.has(*path, "volumeClaimName"), job.object.has(*path, "volumeClaim")
        if named == made:
            message = "names a claim and says what claim to make" if named else "has neither a claim's name nor a claim"
            yield Finding(job.at(*path), f"the volume {message}", "give volumeClaimName or volumeClaim")
        name = volume.volume_claim_name
        if name and name in first:
            message = f"claim '{name}' is mounted already, and a second mount is skipped without a word"
            yield Finding(job.at(*path), message, "mount it in the pod's own volumes", related=(job.at(*first[name]),))
        first.setdefault(name, path)


def volumes_have_one_source(pod: Pod) -> Iterator[Finding]:
    """A volume comes from one place.

    The API server refuses the pod: may not specify more than 1 volume type.
    Source: Kubernetes, pkg/apis/core/validation (validateVolumeSource).

    Wrong: tests/corpus/bad/FTC855-two-sources.yaml
    Right: tests/corpus/good/FTC855-source-that-is-empty.yaml
    """
    for index, volume in enumerate(pod.spec.volumes):
        raw = pod.raw("volumes", index)
        sources = sorted(raw.keys() - {"name"}) if isinstance(raw, dict) else []
        if len(sources) >= MANY:
            message = f"volume '{volume.name}' is {' and '.join(sources)}"
            yield Finding(pod.at("volumes", index), message, "make it two volumes")


_SHARED = "/dev/shm"  # noqa: S108 - the path
# Below this NCCL and data loaders of two processes fail: the default is 64 MiB, and a GiB is the least that is told.
_LEAST = 2**30


def shared_memory_suffices(step: Step) -> Iterator[Finding]:
    """Processes that share memory have some, and it leaves the container the rest.

    Without a volume /dev/shm has 64 MiB: NCCL and data loaders end with a bus error. A directory in memory counts
    against the container's limit: one that fills it has the container killed.
    Source: Kubernetes, emptyDir.medium; LLaMA-Factory issues 7315, 7233, 9506.

    Wrong: tests/corpus/bad/FTC858-no-shared-memory.yaml
    Right: tests/corpus/good/FTC858-shared-memory.yaml
    """
    volumes = {volume.name: volume for volume in step.pod.spec.volumes}
    memory = amount(step.container.resources.limits.get("memory"))
    several = (step.devices or 0) >= MANY and bool(step.launches)
    for index, mount in enumerate(step.container.volume_mounts):
        directory = volumes[mount.name].empty_dir if mount.name in volumes else None
        size = amount(directory.size_limit) if directory is not None and directory.medium == "Memory" else None
        if directory is not None and size is not None and memory is not None and size >= memory:
            limit = step.container.resources.limits["memory"]
            message = f"{directory.size_limit} of memory for {mount.mount_path} leave nothing of the limit, {limit}"
            yield Finding(step.at("volumeMounts", index), message, "raise the memory limit")
        if size is not None and mount.mount_path == _SHARED and several and size < _LEAST:
            message = f"{step.devices} processes share {directory.size_limit if directory else 0} of memory"
            yield Finding(step.at("volumeMounts", index), message, "give it some GiB: 8Gi", Severity.WARNING)
    shared = any(f"/{mount.mount_path.strip('/')}" == _SHARED for mount in step.container.volume_mounts)
    if several and not shared and not step.pod.spec.host_ipc:
        message = f"{step.devices} processes share /dev/shm, which has 64 MiB"
        help_ = "mount an emptyDir of medium Memory there, of some GiB"
        yield Finding(step.at(), message, help_, Severity.WARNING)


RULES = (
    Rule("FTC852", claims_reach_all_pods, Run),
    Rule("FTC853", job_volumes_are_whole, Job),
    Rule("FTC855", volumes_have_one_source, Pod),
    Rule("FTC858", shared_memory_suffices, Step),
)
