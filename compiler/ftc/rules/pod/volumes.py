"""Rules on claims and other volumes: their access modes, contents and lifetime."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean, nearest
from ftc.manifests.configs import file_named, of_trainer
from ftc.manifests.steps import Run, Step, mount_of
from ftc.manifests.subjects import MANY, Job
from ftc.plan.kubernetes import quantity
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.source import KeepOnVolume
from ftc.spec.storage import JobClaim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import ClaimSpec, PodSpec
    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan

# Rules on a spec.


def result_outlives_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The result is not deleted with the job.

    Volcano deletes a job `ttl_seconds_after_finished` after it ends. The claim that Volcano created for the job is
    deleted too, because the job owns it.
    Source: Volcano, pkg/controllers/garbagecollector.

    Wrong: storage=job-lifetime ttl_seconds_after_finished=86400
    Right: storage=job-lifetime ttl_seconds_after_finished=86400 publish=git publish.url=https://git.example.com/m
    """
    seconds = spec.ttl_seconds_after_finished
    trains = spec.trains and isinstance(spec.publish, KeepOnVolume)
    if trains and seconds is not None and isinstance(spec.storage.workspace, JobClaim):
        message = f"deletes the trained model {seconds} seconds after the job ends, because the job owns the claim"
        yield Finding(("ttl_seconds_after_finished",), message, "add publish=git (or s3), or use an existing claim")


def claim_is_created_once(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A job keeps its claim when it is applied again.

    Volcano writes the name of the claim that it creates into the job. A second `kubectl apply` of the manifest removes
    the name, and Volcano creates another, empty claim. The webhook rejects a manifest with both a claim and its name.
    Source: Volcano, pkg/controllers/job/job_controller_actions.go.

    Wrong: naming=fixed storage=job-lifetime
    Right: naming=fixed storage=existing-claim
    """
    if run.job_claim and not run.generate_name:
        message = "is a claim that Volcano creates, and it creates another, empty claim when the job is applied again"
        help_ = "use an existing claim (storage=existing-claim), or naming=generate"
        yield Finding(("storage", "workspace"), message, help_, (("naming",),))


def claim_has_minimum_free_space(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A claim that is created for the job is larger than the required free space.

    A run that finds less than `storage.min_free_gib` on its workspace stops immediately.
    Source: ftc, whose script checks the free space first.

    Wrong: storage=job-lifetime storage.workspace.size=5Gi storage.min_free_gib=10
    Right: storage=job-lifetime storage.workspace.size=50Gi storage.min_free_gib=10
    """
    workspace = spec.storage.workspace
    if isinstance(workspace, JobClaim) and quantity(workspace.size) < spec.storage.min_free_gib * 2**30:
        message = f"{workspace.size} is less than the required free space of {spec.storage.min_free_gib} GiB"
        yield Finding(("storage", "workspace", "size"), message, "raise it, or lower storage.min_free_gib")


# Rules on manifests.


_ONE_NODE = ("ReadWriteOnce", "ReadWriteOncePod")


_HOSTNAME = "kubernetes.io/hostname"


def claim_attaches_to_all_nodes(run: Run) -> Iterator[Finding]:
    """A claim that several pods mount can be attached to several nodes.

    A ReadWriteOnce volume attaches to one node. A pod on another node waits for it forever (`Multi-Attach error`), or
    stays pending if the storage is local to a node.
    Source: Kubernetes, Persistent Volumes (access modes), pkg/volume; LLaMA-Factory issues 2398, 2400.

    Wrong: tests/corpus/bad/FTC852-one-node-claim-on-two-nodes.yaml
    Right: tests/corpus/good/FTC852-shared-claim-on-two-nodes.yaml
    """
    job = run.job
    total = job.total or 0
    for index, volume in enumerate(job.job_volumes):
        if volume.volume_claim is not None and _is_of_one_node(volume.volume_claim):
            place = job.at("spec", "volumes", index, "volumeClaim", "accessModes")
            yield from _with_access_problem(run, total, volume.volume_claim, Finding(place, "the claim of the job"))
        elif volume.volume_claim_name:
            place = job.at("spec", "volumes", index, "volumeClaimName")
            yield from _of_named_claim(run, place, volume.volume_claim_name, total)
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
                yield from _of_named_claim(run, place, name, pods[name])


def _of_named_claim(run: Run, place: Spot, name: str, pods: int) -> Iterator[Finding]:
    found = run.job.scene.claim(run.job.find(name))
    if found is not None and _is_of_one_node(found[1].spec):
        related = found[0].at("spec", "accessModes")
        yield from _with_access_problem(run, pods, found[1].spec, Finding(place, f"claim '{name}'", related=(related,)))


def _is_of_one_node(claim: ClaimSpec) -> bool:
    return bool(claim.access_modes) and all(mode in _ONE_NODE for mode in claim.access_modes)


def _with_access_problem(run: Run, pods: int, claim: ClaimSpec, found: Finding) -> Iterator[Finding]:
    """The finding, with the problem of the claim that it names."""
    mode = claim.access_modes[0]
    help_ = "request ReadWriteMany from a storage class that supports it"
    if pods >= MANY and not all(_is_on_one_node(crew.template.spec) for crew in run.job.crews):
        message = f"{found.message} is {mode}, for one node, but {pods} pods mount it"
        yield msgspec.structs.replace(found, message=message, help=help_)
    elif pods == 1 and run.spreads:
        message = f"{found.message} is {mode}, for one node, but the script expects several pods"
        yield msgspec.structs.replace(found, message=message, help=help_, severity=Severity.NOTE)


def _is_on_one_node(spec: PodSpec) -> bool:
    """Whether all pods are bound to one node."""
    affinity = spec.affinity.get("podAffinity")
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") if isinstance(affinity, dict) else None
    together = isinstance(required, list) and any(
        isinstance(term, dict) and term.get("topologyKey") == _HOSTNAME for term in required
    )
    return together or bool(spec.node_name) or _HOSTNAME in spec.node_selector


def job_volumes_are_valid(job: Job) -> Iterator[Finding]:
    """A volume of a VolcanoJob either names a claim or defines one, and each claim occurs once.

    The webhook rejects a volume with both or neither. Of two entries for one claim, Volcano silently mounts only the
    first.
    Source: Volcano, validate/admit_job.go; pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC853-claim-name-and-claim.yaml
    Right: tests/corpus/good/FTC853-two-claims.yaml
    """
    first: dict[str, KeyPath] = {}
    for index, volume in enumerate(job.job_volumes):
        path: KeyPath = ("spec", "volumes", index)
        named, made = job.object.has(*path, "volumeClaimName"), job.object.has(*path, "volumeClaim")
        written_back = named and made and job.object.has("metadata", "uid")  # by Volcano, into a job on a cluster
        if named == made and not written_back:
            message = (
                "has both volumeClaimName and volumeClaim" if named else "has neither volumeClaimName nor volumeClaim"
            )
            yield Finding(job.at(*path), f"the volume {message}", "set one of the two")
        name = volume.volume_claim_name
        if name and name in first:
            message = f"claim '{name}' is mounted already, and Volcano silently skips the second mount"
            yield Finding(job.at(*path), message, "mount it as a volume of the pod", related=(job.at(*first[name]),))
        first.setdefault(name, path)


def config_map_has_the_key(step: Step) -> Iterator[Finding]:
    """A ConfigMap has the keys that a pod uses.

    Otherwise the pod stays in ContainerCreating (`references non-existent config key`), or its container in
    CreateContainerConfigError.
    Source: Kubernetes, pkg/volume/configmap; pkg/kubelet (makeEnvironmentVariables).

    Wrong: tests/corpus/bad/FTC856-unknown-key.yaml
    Right: tests/corpus/good/FTC856-key-of-the-config-map.yaml
    """
    scene, find = step.pod.job.scene, step.pod.job.find
    for index, variable in enumerate(step.container.env):
        ref = variable.value_from.config_map_key_ref if variable.value_from else None
        found = scene.config_map(find(ref.name)) if ref is not None else None
        if ref is not None and found is not None and ref.key not in found[1].data:
            message = f"ConfigMap '{ref.name}' does not have a key '{ref.key}'"
            yield Finding(step.at("env", index), message, did_you_mean(ref.key, found[1].data))
    for index, mount in enumerate(step.container.volume_mounts):
        volume = next((v for v in step.pod.spec.volumes if v.name == mount.name), None)
        source = volume.config_map if volume is not None else None
        found = scene.config_map(find(source.name)) if source is not None else None
        if source is None or found is None or source.optional:
            continue
        keys = {item.path: item.key for item in source.items} or {key: key for key in found[1].data}
        wanted = [key for key in keys.values() if key not in found[1].data and not _is_binary(found[0].data, key)]
        wanted += [mount.sub_path] if mount.sub_path and mount.sub_path.split("/")[0] not in _first_parts(keys) else []
        for key in wanted:
            message = f"ConfigMap '{source.name}' does not have a key '{key}'"
            yield Finding(step.at("volumeMounts", index), message, did_you_mean(key, found[1].data))


def _first_parts(paths: dict[str, str]) -> set[str]:
    return {path.split("/")[0] for path in paths}


def _is_binary(data: object, key: str) -> bool:
    binary = data.get("binaryData") if isinstance(data, dict) else None
    return isinstance(binary, dict) and key in binary


def references_are_spelled_correctly(job: Job) -> Iterator[Finding]:
    """The name of a claim or ConfigMap is spelled correctly.

    A pod waits forever for a name that does not exist (`persistentvolumeclaim not found`). The rule reports a name only
    if the input has the object in another namespace, or an unreferenced object with a similar name; others may exist on
    the cluster.
    Source: Kubernetes, pkg/scheduler (volumebinding); pkg/volume/configmap.

    Wrong: tests/corpus/bad/FTC859-misspelled-claim.yaml
    Right: tests/corpus/good/FTC859-claim-of-the-cluster.yaml
    """
    scene = job.scene
    for path, kind, name in job.volumes:
        here = scene.claims if kind == "claim" else scene.config_maps
        if job.find(name) not in here:
            space, _ = job.find(name)
            for other_space in sorted({one for one, other in here if other == name}):
                message = f"{kind} '{name}' is in namespace '{other_space}', but the job is in '{space}'"
                yield Finding(job.at(*path), message, "put both into the same namespace")
            free = [other for space, other in here if job.find(other) == (space, other)]
            # A name that is unlike all others needs no facts about other files.
            near = nearest(name, free)
            near = near and nearest(name, [other for other in free if job.find(other) not in scene.mounted])
            if near:
                yield Finding(job.at(*path), f"the {kind} '{name}' is not in these files", near)


def result_outlives_the_job_in_manifests(run: Run) -> Iterator[Finding]:
    """The result is not deleted with the job.

    The job owns a claim that Volcano creates for it, and the claim is deleted with the job. Its name is new each time,
    so another job does not find the checkpoints. Files outside volumes are lost with the container.
    Source: Volcano, job_controller_actions.go (createJobIOIfNotExist).

    Wrong: tests/corpus/bad/FTC857-model-on-the-claim-of-the-job.yaml
    Right: tests/corpus/good/FTC857-model-on-a-named-claim.yaml
    """
    for config in of_trainer(run):
        output = config.value("output_dir")
        if not isinstance(output, str) or config.exports or config.step is None or config.runs is None:
            continue
        path = file_named(config, output)
        for index, volume in enumerate(run.job.job_volumes):
            if volume.volume_claim is not None and path.startswith(f"{volume.mount_path.rstrip('/')}/"):
                message = f"{output} is on a claim that is deleted with the job"
                place = run.job.at("spec", "volumes", index, "volumeClaim")
                help_ = "use an existing claim: volumeClaimName"
                yield Finding(place, message, help_, related=(config.at("output_dir"),))
        if _is_lost(config.step, path, config.runs.start):
            message = f"{output} is not on a volume and is lost with the container"
            yield Finding(config.at("output_dir"), message, "write to a directory on a claim")


def results_are_not_in_the_pod(run: Run) -> Iterator[Finding]:
    """A training on several nodes writes to a volume that outlives its pods.

    Each pod has its own emptyDir, which is deleted with it. A restart does not find the checkpoints and trains from the
    start. With DeepSpeed or FSDP each node has only its part of a checkpoint. The model is lost if the script does not
    save it.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: tests/corpus/bad/FTC610-checkpoints-in-the-pods.yaml
    Right: tests/corpus/good/FTC610-checkpoints-on-a-claim.yaml
    """
    for config in of_trainer(run):
        output, step = config.value("output_dir"), config.step
        if not isinstance(output, str) or config.exports or step is None or config.runs is None:
            continue
        mount = mount_of(step, file_named(config, output))
        volume = step.pod.volume(mount.name) if mount is not None else None
        several = (step.pod.replicas or 0) >= MANY
        if volume is None or volume.empty_dir is None or not (several or run.spreads):
            continue
        lost = not any(command.start > config.runs.start for command in step.script.commands)
        effect = "each restart trains from the start" if run.job.recreated else "it is deleted with the model"
        if run.job.recreated or lost:
            message = f"{output} is on the emptyDir '{volume.name}' of each pod: {effect}"
            severity = None if several else Severity.NOTE
            yield Finding(config.at("output_dir"), message, "write to a claim with ReadWriteMany", severity=severity)


def _is_lost(step: Step, path: str, start: int) -> bool:
    """Whether a directory is not on a volume, while others are, and no later command can save it."""
    claims = {volume.name for volume in step.pod.spec.volumes if volume.persistent_volume_claim is not None}
    mounts = step.container.volume_mounts
    kept = bool(step.pod.job.job_volumes) or any(mount.name in claims for mount in mounts)
    places = [mount.mount_path for mount in mounts] + [volume.mount_path for volume in step.pod.job.job_volumes]
    if not kept or not path.startswith("/") or step.unseen:
        return False
    later = [command for command in step.script.commands if command.start > start]
    return not later and not any(PurePosixPath(path).is_relative_to(mount or "/") for mount in places)


RULES = (
    Rule("FTC586", "reapplied-job-loses-claim", claim_is_created_once, JobSpec, target="volcano"),
    Rule("FTC221", "result-deleted-with-job", result_outlives_the_job, JobSpec, Severity.WARNING),
    Rule("FTC222", "claim-smaller-than-required-free-space", claim_has_minimum_free_space, JobSpec),
    Rule("FTC852", "claim-cannot-attach-to-several-nodes", claim_attaches_to_all_nodes, Run),
    Rule("FTC853", "invalid-job-volume", job_volumes_are_valid, Job),
    Rule("FTC856", "missing-config-map-key", config_map_has_the_key, Step),
    Rule("FTC859", "misspelled-reference", references_are_spelled_correctly, Job, Severity.WARNING),
    Rule("FTC610", "output-in-empty-dir", results_are_not_in_the_pod, Run, Severity.WARNING),
    Rule("FTC857", "result-lost-with-job", result_outlives_the_job_in_manifests, Run, Severity.NOTE),
)
