"""Rules on the storage of a run: who reads and writes it, its kind, and its size."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.estimate import host
from ftc.plan import security
from ftc.plan.pod import FILES
from ftc.plan.quantity import quantity
from ftc.plan.storage import cache_directory, cache_volume, is_shared
from ftc.rules.given import fragments, volumes
from ftc.rules.pod.resources import SMALLEST
from ftc.rules.rule import Finding, Rule
from ftc.rules.spec.memory import RELATED, gib
from ftc.spec.job import JobSpec
from ftc.spec.source import KeepOnVolume, OnVolume
from ftc.spec.storage import Claim, InWorkspace, JobClaim, Nfs, NodeDirectory, PerPod, PerPodClaim, Volume
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

_WORKSPACE = ("storage", "workspace")


_SHARED = "use storage=shared with a ReadWriteMany claim"


def nodes_share_workspace(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Several nodes that train share the workspace.

    Only rank 0 writes weights, and a restart looks for the checkpoint on every node. Source: LLaMA-Factory 0.9.5 with
    two nodes says `Can't find a valid checkpoint` on all but the first.

    Wrong: nodes=2 storage=existing-claim
    Right: nodes=2 storage=shared
    """
    if spec.nodes > 1 and spec.trains and not is_shared(spec.storage.workspace):
        kind = volume_in_words(spec.storage.workspace)
        message = f"{spec.nodes} nodes train into one directory, and {kind} is not shared between nodes"
        related = (("nodes",), (*_WORKSPACE, "access_mode"))
        yield Finding(_WORKSPACE, message, f"{_SHARED}, or nodes=1", related)


def claims_reach_all_nodes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A claim that several nodes mount is one that several nodes can mount.

    A ReadWriteOnce volume attaches to one node: the pods on the others wait for it for ever (Kubernetes, persistent
    volumes: access modes; the event is `Multi-Attach error for volume`).

    Wrong: launcher=command 'launcher.command=[python,train.py]' nodes=2 storage=existing-claim
    Right: launcher=command 'launcher.command=[python,train.py]' nodes=2 storage=shared
    """
    for key, volume in volumes(spec).items() if spec.nodes > 1 else ():
        told = key == _WORKSPACE and spec.trains  # the rule above says it
        if isinstance(volume, Claim | JobClaim) and not is_shared(volume) and not told:
            message = f"{volume_in_words(volume)} attaches to one node, and the job has {spec.nodes}"
            yield Finding(key, message, f"{_SHARED}, or nodes=1", (("nodes",), (*key, "access_mode")))


def volume_in_words(volume: object) -> str:
    """A volume as messages name it."""
    match volume:
        case Claim():
            return f"the {volume.access_mode} claim '{volume.claim}'"
        case JobClaim():
            return f"a {volume.access_mode} claim of the job"
        case NodeDirectory():
            return "a directory of each node"
    return "a directory of each pod"


def cache_is_reachable(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The cache lies where init containers see it.

    They fill it before the training starts. Volcano mounts a job's own claims in containers only
    (pkg/controllers/job/job_controller_util.go), and what lies outside the workspace is on no volume at all.

    Wrong: storage.cache.path=/models
    Right: storage.cache.path=/workspace/models
    """
    if isinstance(spec.storage.cache, InWorkspace):
        workspace = spec.storage.workspace
        if isinstance(workspace, JobClaim):
            message = "lies on a claim that is made for the job, which init containers do not see"
            yield Finding(("storage", "cache"), message, "give the cache a claim of its own (kind: claim)")
        elif not _inside(spec.storage.cache.path, workspace.mount_path):
            message = f"{spec.storage.cache.path} is not inside the workspace, {workspace.mount_path}"
            help_ = f"name a directory below {workspace.mount_path}"
            yield Finding(("storage", "cache", "path"), message, help_, (("storage", "workspace", "mount_path"),))


def _inside(path: str, directory: str) -> bool:
    return PurePosixPath(path).is_relative_to(directory) and ".." not in PurePosixPath(path).parts


_TAKEN = (FILES, "/dev", "/proc", "/sys")


def mounts_do_not_clash(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """One directory holds one volume.

    The API server refuses two mounts of one path (`mountPath: must be unique`). A volume over a directory of the pod or
    of ftc hides what is there.

    Wrong: storage=job-lifetime storage.cache.mount_path=/workspace
    Right: storage=job-lifetime storage.cache.mount_path=/models
    """
    taken: dict[str, str] = {}
    places = (*_TAKEN, security.HOME) if security.user(spec.cluster) else _TAKEN
    for key, volume in volumes(spec).items():
        path = volume.mount_path
        owner = taken.get(path) or next((f"{place} of the pod" for place in places if _inside(path, place)), None)
        if owner is not None:
            other = (("storage", "workspace", "mount_path"),) if owner == "the workspace" else ()
            message = f"{path} is taken by {owner}"
            yield Finding((*key, "mount_path"), message, "mount it elsewhere", other)
        taken[path] = f"the {'.'.join(key[1:])}"


def paths_are_mounted(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What a run reads from a volume is there before the job starts.

    A claim that is made with the job (storage=job-lifetime) is empty, and so is a directory of the pod's own; a
    container of your own may fill the latter.

    Wrong: storage=job-lifetime source@model.source=path model.source.path=/workspace/models/mine
    Right: storage=job-lifetime source@model.source=path model.source.path=/cache/models/mine
    """
    workspace = spec.storage.workspace
    filled = any(fragment.get("spec", {}).get("initContainers") for _, fragment in fragments(spec))
    if not isinstance(workspace, JobClaim) and (filled or not isinstance(workspace, PerPod | PerPodClaim)):
        return
    for key, path in _read_paths(spec):
        if _inside(path, workspace.mount_path):
            made = "a claim that is made for the job" if isinstance(workspace, JobClaim) else volume_in_words(workspace)
            places = [] if isinstance(spec.storage.cache, InWorkspace) else [cache_directory(spec.storage)]
            places += [volume.mount_path for volume in spec.storage.more.values()]
            named = f"name a path on {' or '.join(places)}, or in the image" if places else "name a path in the image"
            yield Finding(key, f"{path} lies on {made}, so it is empty", named, (("storage", "workspace", "kind"),))


def _read_paths(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    for name, source in spec.sources.items():
        if isinstance(source, OnVolume):
            yield (name, "source", "path"), source.path
    quantization = spec.method.quantize if spec.method is not None else None
    if quantization is not None and quantization.dataset.startswith("/"):
        yield ("method", "quantize", "dataset"), quantization.dataset


def dataset_cache_is_written_once(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The nodes of a run do not all write the same tokenised files.

    With `overwrite_cache` every node writes them again while others read them. Source: LLaMA-Factory 0.9.5,
    data/loader.py; hiyouga/LLaMA-Factory issues 8169, 9091.

    Wrong: nodes=2 train.overwrite_cache=true
    Right: nodes=2
    """
    several = spec.nodes > 1 and is_shared(spec.storage.workspace)
    if several and chosen(spec).get("overwrite_cache") is True and spec.trains:
        message = f"true makes {spec.nodes} nodes write the same files of a shared directory"
        help_ = "leave it out: the run's own cache is always fresh"
        yield Finding(set_at(spec, "overwrite_cache"), message, help_, (("nodes",),))


def result_is_kept(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The trained model outlives the pod.

    A directory of the pod's own (emptyDir) is deleted with the pod, and nothing was pushed.

    Wrong: storage=per-pod
    Right: storage=per-pod publish=git publish.url=https://git.example.com/team/model
    """
    lost = spec.trains and isinstance(spec.publish, KeepOnVolume)
    if lost and isinstance(spec.storage.workspace, PerPod | PerPodClaim):
        message = "is a directory of the pod's own: the trained model is gone when the pod is deleted"
        yield Finding(("storage", "workspace"), message, "add publish=git (or s3), or use storage=shared")


def claim_has_a_size(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that is to be made has a size.

    The API server refuses one that requests no storage (Kubernetes, PersistentVolumeClaim: spec.resources).

    Wrong: storage.workspace.size=null
    Right: storage.workspace.size=200Gi
    """
    if not run.claims:
        message = "names no claim that exists: there is none to make"
        yield Finding(("storage",), message, "leave -t storage out, or use storage=shared")
    for path, volume in volumes(spec).items():
        if isinstance(volume, Claim) and volume.size is None:
            yield Finding((*path, "size"), f"the claim '{volume.claim}' has none", "set it: 100Gi")


def written_volumes_can_be_written(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Runs can write to the workspace, and downloads to the cache.

    On a read-only mount the first step ends with `Read-only file system`.

    Wrong: storage.workspace.read_only=true
    Right: storage.workspace.read_only=false
    """
    fetches = any(not isinstance(source, OnVolume) for source in spec.sources.values())
    written = {("storage", "workspace")} | ({("storage", "cache")} if fetches else set())
    for path, volume in volumes(spec).items():
        shut = isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only
        shut = shut or (isinstance(volume, Claim) and volume.access_mode == "ReadOnlyMany")
        if shut and path in written:
            yield Finding(
                path, "is read-only, and the run writes to it", "set read_only=false, or choose another volume"
            )


def copy_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The copy of the model in memory has room for its weights.

    `storage.model_in_memory_gib` is added to /dev/shm and to the memory of the container, so that each node's
    processes load the weights from memory. A copy that is larger than that ends the run before the training starts.

    Wrong: model=qwen3-8b storage.model_in_memory_gib=8
    Right: model=qwen3-8b storage.model_in_memory_gib=18
    """
    path, gib = ("storage", "model_in_memory_gib"), spec.storage.model_in_memory_gib
    if gib and spec.model is None:
        yield Finding(path, "there is no model to copy", "choose one (model=…), or set 0")
    elif gib and spec.model is not None and spec.model.architecture is not None:
        need = 2 * spec.model.architecture.parameters / 2**30
        if gib < need:
            message = f"{gib} GiB for a model whose weights take {need:.1f} GiB in 16 bits"
            help_ = f"set {math.ceil(need + 1)}, or less for weights that are quantized"
            yield Finding(path, message, help_, (("model", "architecture", "parameters"),))


_GIB = 1 << 30


def cache_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A volume that is made for the run is larger than the weights that are downloaded to it.

    The download ends with `No space left on device`, or the kubelet evicts the pod (`Usage of EmptyDir volume … exceeds
    the limit`). The weights count 2 bytes a parameter.

    Wrong: storage=in-memory model=qwen3-14b
    Right: storage=in-memory model=qwen3-4b
    """
    size, weights = _size(cache_volume(spec.storage)), host.fetched(spec)
    if size is not None and weights > size:
        owner = "workspace" if isinstance(spec.storage.cache, InWorkspace) else "cache"
        message = f"{gib(size)} hold less than the {gib(weights)} of weights that are downloaded"
        yield Finding(("storage", owner, "size"), message, _help(owner, weights + host.written(spec)), RELATED)


def workspace_has_room(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A workspace that is made for the run holds what the run leaves there, beside what it downloads.

    A merge writes all weights once more, when the training is done, and so does each tuning of all weights. It ends
    with `No space left on device`. Checkpoints on the way are not counted.

    Wrong: storage=in-memory model=qwen3-4b storage.workspace.size=12Gi
    Right: storage=in-memory model=qwen3-4b storage.workspace.size=20Gi
    """
    beside = host.fetched(spec) if isinstance(spec.storage.cache, InWorkspace) else 0
    size, written = _size(spec.storage.workspace), host.written(spec)
    if size is not None and written and beside + written > size and not any(cache_has_room(spec, run)):
        parts = f"{gib(written)} of results" + (f" and {gib(beside)} of weights" if beside else "")
        help_ = _help("workspace", beside + written)
        yield Finding(("storage", "workspace", "size"), f"{gib(size)} hold less than {parts}", help_, RELATED)


def _size(volume: Volume) -> int | None:
    """The size of a volume that the run makes; of one that exists nobody knows what is free.

    A size without its unit is another rule's.
    """
    if not isinstance(volume, JobClaim | PerPod | PerPodClaim):
        return None
    size = int(quantity(volume.size))
    return size if size >= SMALLEST else None


def _help(owner: str, size: int) -> str:
    return f"set storage.{owner}.size={size * 5 // (4 * _GIB) + 1}Gi or more"


RULES = (
    Rule("FTC201", "nodes-need-shared-workspace", nodes_share_workspace, JobSpec),
    Rule("FTC202", "claim-needs-multi-node-access", claims_reach_all_nodes, JobSpec),
    Rule("FTC203", "cache-unreachable-for-init-containers", cache_is_reachable, JobSpec),
    Rule("FTC204", "overlapping-mount-paths", mounts_do_not_clash, JobSpec),
    Rule("FTC205", "read-path-on-empty-volume", paths_are_mounted, JobSpec),
    Rule("FTC206", "dataset-cache-write-race", dataset_cache_is_written_once, JobSpec),
    Rule("FTC209", "result-lost-with-pod", result_is_kept, JobSpec, Severity.WARNING),
    Rule("FTC241", "claim-needs-size", claim_has_a_size, JobSpec, target="storage", needed=True),
    Rule("FTC242", "read-only-workspace-or-cache", written_volumes_can_be_written, JobSpec),
    Rule("FTC243", "memory-too-small-for-model-copy", copy_has_room, JobSpec, Severity.WARNING),
    Rule("FTC226", "cache-volume-too-small", cache_has_room, JobSpec),
    Rule("FTC227", "workspace-volume-too-small", workspace_has_room, JobSpec, Severity.WARNING),
)
