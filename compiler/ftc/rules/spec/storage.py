"""Rules on the storage of a run: access by several nodes, mount paths, lifetime and size."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.estimate import host
from ftc.plan import security
from ftc.plan.kubernetes import quantity
from ftc.plan.pod import FILES
from ftc.plan.storage import cache_directory, cache_volume, is_shared
from ftc.rules.given import containers, fragments, volumes
from ftc.rules.pod.resources import SMALLEST
from ftc.rules.rule import Finding, Rule
from ftc.rules.spec.memory import RELATED, gib
from ftc.spec.job import JobSpec, source_path
from ftc.spec.source import KeepOnVolume, OnVolume
from ftc.spec.storage import Claim, InWorkspace, JobClaim, Nfs, NodeDirectory, PerPod, PerPodClaim, Volume
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

_WORKSPACE = ("storage", "workspace")
_SHARED = "use storage=shared with a ReadWriteMany claim"


def nodes_need_shared_workspace(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Nodes that train together share the workspace.

    Only rank 0 writes weights, but after a restart every node looks for the checkpoint: `Can't find a valid checkpoint`
    on all but the first.
    Source: measured with LLaMA-Factory 0.9.5 on two nodes.

    Wrong: nodes=2 storage=existing-claim
    Right: nodes=2 storage=shared
    """
    if spec.nodes > 1 and spec.trains and not is_shared(spec.storage.workspace):
        kind = volume_in_words(spec.storage.workspace)
        message = f"{spec.nodes} nodes need one workspace, but {kind} is not shared between nodes"
        related = (("nodes",), (*_WORKSPACE, "access_mode"))
        yield Finding(_WORKSPACE, message, f"{_SHARED}, or nodes=1", related)


def claim_needs_multi_node_access(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Several nodes can mount each claim of the job.

    A ReadWriteOnce volume attaches to one node. The pods on the other nodes wait for it forever, with the event
    `Multi-Attach error for volume`.
    Source: Kubernetes, Persistent Volumes (Access Modes).

    Wrong: launcher=command 'launcher.command=[python,train.py]' nodes=2 storage=existing-claim
    Right: launcher=command 'launcher.command=[python,train.py]' nodes=2 storage=shared
    """
    for key, volume in volumes(spec).items() if spec.nodes > 1 else ():
        reported = key == _WORKSPACE and spec.trains  # by the rule above
        if isinstance(volume, Claim | JobClaim) and not is_shared(volume) and not reported:
            message = f"{volume_in_words(volume)} attaches to one node, but the job has {spec.nodes}"
            yield Finding(key, message, f"{_SHARED}, or nodes=1", (("nodes",), (*key, "access_mode")))


def volume_in_words(volume: object) -> str:
    """The name of a volume in messages."""
    match volume:
        case Claim():
            return f"the {volume.access_mode} claim '{volume.claim}'"
        case JobClaim():
            return f"a {volume.access_mode} claim of the job"
        case NodeDirectory():
            return "a directory of each node"
    return "a directory of each pod"


def cache_unreachable_for_init_containers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The cache is on a volume that init containers can see.

    They fill it before the training starts. Volcano mounts the claims that it creates for a job in containers only, and
    a directory outside the workspace is not on a volume.
    Source: Volcano, pkg/controllers/job/job_controller_util.go.

    Wrong: storage.cache.path=/models
    Right: storage.cache.path=/workspace/models
    """
    if isinstance(spec.storage.cache, InWorkspace):
        workspace = spec.storage.workspace
        if isinstance(workspace, JobClaim):
            message = "is on a claim that is created for the job, which init containers cannot mount"
            yield Finding(("storage", "cache"), message, "use a separate claim for the cache (kind: claim)")
        elif not _inside(spec.storage.cache.path, workspace.mount_path):
            message = f"{spec.storage.cache.path} is not inside the workspace, {workspace.mount_path}"
            help_ = f"name a directory below {workspace.mount_path}"
            yield Finding(("storage", "cache", "path"), message, help_, (("storage", "workspace", "mount_path"),))


def _inside(path: str, directory: str) -> bool:
    return PurePosixPath(path).is_relative_to(directory) and ".." not in PurePosixPath(path).parts


_TAKEN = (FILES, "/dev", "/proc", "/sys")


def overlapping_mount_paths(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Each directory holds at most one volume.

    The API server refuses two mounts with the same path (`mountPath: must be unique`). A volume over a directory of the
    pod or of ftc hides its content.
    Source: Kubernetes, pkg/apis/core/validation.

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
            message = f"{path} is already used by {owner}"
            yield Finding((*key, "mount_path"), message, "choose another mount_path", other)
        taken[path] = f"the {'.'.join(key[1:])}"


def read_path_on_empty_volume(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Paths that a run reads exist before the job starts.

    A claim that is created with the job (storage=job-lifetime) is empty, and so is a directory of the pod. Your own
    init container may fill the latter.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: storage=job-lifetime source@model.source=path model.source.path=/workspace/models/mine
    Right: storage=job-lifetime source@model.source=path model.source.path=/cache/models/mine
    """
    workspace = spec.storage.workspace
    filled = any(fragment.get("spec", {}).get("initContainers") for _, fragment in fragments(spec))
    if not isinstance(workspace, JobClaim) and (filled or not isinstance(workspace, PerPod | PerPodClaim)):
        return
    for key, path in _read_paths(spec):
        if _inside(path, workspace.mount_path):
            owner = (
                "a claim that is created for the job" if isinstance(workspace, JobClaim) else volume_in_words(workspace)
            )
            places = [] if isinstance(spec.storage.cache, InWorkspace) else [cache_directory(spec.storage)]
            places += [volume.mount_path for volume in spec.storage.more.values()]
            help_ = f"name a path on {' or '.join(places)}, or in the image" if places else "name a path in the image"
            yield Finding(
                key, f"{path} is on {owner}, so it does not exist", help_, (("storage", "workspace", "kind"),)
            )


def _read_paths(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    for name, source in spec.sources.items():
        if isinstance(source, OnVolume):
            yield (*source_path(name), "path"), source.path
    for part, one in (spec.dataset.parts if spec.dataset is not None else {}).items():
        for name, entry in (one.info or {}).items():
            file = str(entry.get("file_name", ""))
            if file.startswith("/"):
                yield (*source_path(part)[:-1], "info", name, "file_name"), file
    quantization = spec.method.quantize if spec.method is not None else None
    if quantization is not None and quantization.dataset.startswith("/"):
        yield ("method", "quantize", "dataset"), quantization.dataset


def read_path_outside_volumes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Paths that a run reads are on a volume of the pod.

    Any other path is one of the image: if the image does not have it, the first step of the pod ends with `… does not
    exist`. The cause is usually a volume that is missing in storage.more, or a different mount path.
    Source: ftc, which mounts only the volumes of storage and of the fragments.

    Wrong: source@dataset.source=path dataset.source.path=/data/alpaca
    Right: source@dataset.source=path dataset.source.path=/workspace/data/alpaca
    """
    mounts = [volume.mount_path for volume in volumes(spec).values()]
    mounts += [mount["mountPath"] for _, one in containers(spec) for mount in one.get("volumeMounts", [])]
    for key, path in _read_paths(spec):
        if not any(_inside(path, mount) for mount in mounts):
            message = f"{path} is not on a volume of the pod ({', '.join(dict.fromkeys(mounts))}), only in the image"
            yield Finding(
                key, message, "mount its volume (storage.more, as storage=several-claims does), or correct the path"
            )


_PLACEHOLDER = re.compile(r"(?:[^/]+\.)?example\.(?:com|org|net)\.?", re.IGNORECASE)


def placeholder_server(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The NFS server exists.

    Only you know its name, so the option has a placeholder. The pod waits in ContainerCreating with the event
    `FailedMount`, and holds its devices.
    Source: ftc, conf/storage (server); RFC 2606, reserved names.

    Wrong: storage=nfs
    Right: storage=nfs storage.workspace.server=10.0.0.5 storage.workspace.path=/exports/team
    """
    for key, volume in volumes(spec).items():
        if isinstance(volume, Nfs) and _PLACEHOLDER.fullmatch(volume.server):
            message = f"{volume.server} is a placeholder for your own server"
            yield Finding((*key, "server"), message, f"set {'.'.join(key)}.server=… and {'.'.join(key)}.path=…")


def dataset_cache_write_race(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Several nodes do not write the same tokenized files.

    With `overwrite_cache` every node writes them again while others read them.
    Source: LLaMA-Factory 0.9.5, data/loader.py; issues 8169 and 9091.

    Wrong: nodes=2 train.overwrite_cache=true
    Right: nodes=2
    """
    several = spec.nodes > 1 and is_shared(spec.storage.workspace)
    if several and chosen(spec).get("overwrite_cache") is True and spec.trains:
        message = f"true makes {spec.nodes} nodes write the same files in a shared directory"
        help_ = "leave it out: each run has a new cache"
        yield Finding(set_at(spec, "overwrite_cache"), message, help_, (("nodes",),))


def result_lost_with_pod(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The trained model outlives the pod.

    A directory of the pod (emptyDir) is deleted with the pod, and the run does not publish the model.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: storage=per-pod
    Right: storage=per-pod publish=git publish.url=https://git.example.com/team/model
    """
    lost = spec.trains and isinstance(spec.publish, KeepOnVolume)
    if lost and isinstance(spec.storage.workspace, PerPod | PerPodClaim):
        message = "is deleted with the pod, and the trained model with it"
        yield Finding(("storage", "workspace"), message, "add publish=git (or s3), or use storage=shared")


def claim_needs_size(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that ftc creates has a size.

    The API server refuses a claim that does not request storage.
    Source: Kubernetes, PersistentVolumeClaim (spec.resources).

    Wrong: storage.workspace.size=null
    Right: storage.workspace.size=200Gi
    """
    if not run.claims:
        message = "does not name an existing claim, so there is nothing to create"
        yield Finding(("storage",), message, "leave -t storage out, or use storage=shared")
    for path, volume in volumes(spec).items():
        if isinstance(volume, Claim) and volume.size is None:
            yield Finding((*path, "size"), f"the claim '{volume.claim}' needs a size", "set one, such as 100Gi")


def read_only_workspace_or_cache(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The workspace is writable, and so is the cache if the run downloads.

    On a read-only mount the first step ends with `Read-only file system`.
    Source: Kubernetes, Volumes (Read-only mounts).

    Wrong: storage.workspace.read_only=true
    Right: storage.workspace.read_only=false
    """
    fetches = any(not isinstance(source, OnVolume) for source in spec.sources.values())
    written = {("storage", "workspace")} | ({("storage", "cache")} if fetches else set())
    for path, volume in volumes(spec).items():
        read_only = isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only
        read_only = read_only or (isinstance(volume, Claim) and volume.access_mode == "ReadOnlyMany")
        if read_only and path in written:
            yield Finding(
                path, "is read-only, but the run writes to it", "set read_only=false, or choose another volume"
            )


def memory_too_small_for_model_copy(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The in-memory copy of the model is large enough for its weights.

    `storage.model_in_memory_gib` is added to /dev/shm and to the memory of the container, so that the processes of a
    node load the weights from memory. A model that is larger ends the run before the training starts.
    Source: ftc, whose init container copies the model to /dev/shm.

    Wrong: model=qwen3-8b storage.model_in_memory_gib=8
    Right: model=qwen3-8b storage.model_in_memory_gib=18
    """
    path, gib = ("storage", "model_in_memory_gib"), spec.storage.model_in_memory_gib
    if gib and spec.model is None:
        yield Finding(path, "needs a model to copy, but model is missing", "choose one (model=…), or set 0")
    elif gib and spec.model is not None and spec.model.architecture is not None:
        need = 2 * spec.model.architecture.parameters / 2**30
        if gib < need:
            message = f"is {gib} GiB, but the weights need {need:.1f} GiB in 16 bits"
            help_ = f"set {math.ceil(need + 1)}, or less for quantized weights"
            yield Finding(path, message, help_, (("model", "architecture", "parameters"),))


_GIB = 1 << 30


def cache_volume_too_small(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A cache volume that the run creates is larger than the downloaded weights.

    The download ends with `No space left on device`, or the kubelet evicts the pod (`Usage of EmptyDir volume … exceeds
    the limit`). The weights count 2 bytes per parameter.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: storage=in-memory model=qwen3-14b
    Right: storage=in-memory model=qwen3-4b
    """
    size, weights = _size(cache_volume(spec.storage)), host.fetched(spec)
    if size is not None and weights > size:
        owner = "workspace" if isinstance(spec.storage.cache, InWorkspace) else "cache"
        message = f"is {gib(size)}, but the downloaded weights need {gib(weights)}"
        yield Finding(("storage", owner, "size"), message, _help(owner, weights + host.written(spec)), RELATED)


def workspace_volume_too_small(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A workspace that the run creates has room for its results and downloads.

    A merge writes all weights again after the training, and so does full tuning. It ends with `No space left on
    device`. Intermediate checkpoints are not counted.
    Source: LLaMA-Factory, train/tuner.py (export_model).

    Wrong: storage=in-memory model=qwen3-4b storage.workspace.size=12Gi
    Right: storage=in-memory model=qwen3-4b storage.workspace.size=20Gi
    """
    downloads = host.fetched(spec) if isinstance(spec.storage.cache, InWorkspace) else 0
    size, written = _size(spec.storage.workspace), host.written(spec)
    if size is not None and written and downloads + written > size and not any(cache_volume_too_small(spec, run)):
        parts = f"{gib(written)} for results" + (f" and {gib(downloads)} for weights" if downloads else "")
        help_ = _help("workspace", downloads + written)
        yield Finding(("storage", "workspace", "size"), f"is {gib(size)}, but the run needs {parts}", help_, RELATED)


def _size(volume: Volume) -> int | None:
    """The size of a volume that the run creates; the free space of an existing one is unknown.

    Another rule checks for a size without a unit.
    """
    if not isinstance(volume, JobClaim | PerPod | PerPodClaim):
        return None
    size = int(quantity(volume.size))
    return size if size >= SMALLEST else None


def _help(owner: str, size: int) -> str:
    return f"set storage.{owner}.size={size * 5 // (4 * _GIB) + 1}Gi or more"


RULES = (
    Rule("FTC201", "nodes-need-shared-workspace", nodes_need_shared_workspace, JobSpec),
    Rule("FTC202", "claim-needs-multi-node-access", claim_needs_multi_node_access, JobSpec),
    Rule("FTC203", "cache-unreachable-for-init-containers", cache_unreachable_for_init_containers, JobSpec),
    Rule("FTC204", "overlapping-mount-paths", overlapping_mount_paths, JobSpec),
    Rule("FTC205", "read-path-on-empty-volume", read_path_on_empty_volume, JobSpec),
    Rule("FTC228", "read-path-outside-volumes", read_path_outside_volumes, JobSpec, Severity.WARNING),
    Rule("FTC230", "placeholder-server", placeholder_server, JobSpec, Severity.WARNING),
    Rule("FTC206", "dataset-cache-write-race", dataset_cache_write_race, JobSpec),
    Rule("FTC209", "result-lost-with-pod", result_lost_with_pod, JobSpec, Severity.WARNING),
    Rule("FTC241", "claim-needs-size", claim_needs_size, JobSpec, target="storage", needed=True),
    Rule("FTC242", "read-only-workspace-or-cache", read_only_workspace_or_cache, JobSpec),
    Rule("FTC243", "memory-too-small-for-model-copy", memory_too_small_for_model_copy, JobSpec, Severity.WARNING),
    Rule("FTC226", "cache-volume-too-small", cache_volume_too_small, JobSpec),
    Rule("FTC227", "workspace-volume-too-small", workspace_volume_too_small, JobSpec, Severity.WARNING),
)
