"""Rules on volumes: who sees what the run writes and reads."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.checks.given import fragments, volumes
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan import security
from ftc.plan.pod import FILES
from ftc.plan.storage import cache_directory, is_shared
from ftc.spec.source import Git, GitPush, KeepOnVolume, OnVolume
from ftc.spec.storage import Claim, InWorkspace, JobClaim, NodeDirectory, PerPod, PerPodClaim
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

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
        kind = _named(spec.storage.workspace)
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
            message = f"{_named(volume)} attaches to one node, and the job has {spec.nodes}"
            yield Finding(key, message, f"{_SHARED}, or nodes=1", (("nodes",), (*key, "access_mode")))


def _named(volume: object) -> str:
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
            made = "a claim that is made for the job" if isinstance(workspace, JobClaim) else _named(workspace)
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


def restarts_resume(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that restarts resumes from its checkpoint.

    With `overwrite_output_dir` a restart ignores the checkpoints (LLaMA-Factory, hparams/parser.py) and trains from the
    start.

    Wrong: restarts=2 train.overwrite_output_dir=true
    Right: restarts=2
    """
    if spec.restarts and chosen(spec).get("overwrite_output_dir") is True:
        message = f"true makes each of {spec.restarts} restarts train from the start"
        help_ = "leave it out, or set restarts=0"
        yield Finding(set_at(spec, "overwrite_output_dir"), message, help_, (("restarts",),))


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


def restarts_find_checkpoints(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that restarts finds its checkpoints.

    A restart makes new pods, and directories of the pod's own (emptyDir) are empty in them: each begins anew.

    Wrong: storage=per-pod restarts=2
    Right: storage=shared restarts=2
    """
    if spec.restarts and isinstance(spec.storage.workspace, PerPod | PerPodClaim | NodeDirectory):
        message = f"{spec.restarts} restarts begin anew each time: the workspace is {_named(spec.storage.workspace)}"
        yield Finding(("restarts",), message, "use storage=shared", (("storage", "workspace", "kind"),))


_TRUST = "name the authority's certificates instead: cluster.ca_bundle.config_map=…"


def transport_is_verified(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Certificates are verified.

    Without verification anyone on the way reads the token and changes the files.

    Wrong: source@model.source=git model.source.url=https://git.example.com/m model.source.tls_verify=false
    Right: source@model.source=git model.source.url=https://git.example.com/m cluster.ca_bundle.config_map=our-ca
    """
    for name, source in spec.sources.items():
        if isinstance(source, Git) and not source.tls_verify:
            yield Finding((name, "source", "tls_verify"), "certificates are not verified", _TRUST)
    if isinstance(spec.publish, GitPush) and not spec.publish.tls_verify:
        yield Finding(("publish", "tls_verify"), "certificates are not verified", _TRUST)


RULES = (
    Rule("FTC201", nodes_share_workspace),
    Rule("FTC202", claims_reach_all_nodes),
    Rule("FTC203", cache_is_reachable),
    Rule("FTC204", mounts_do_not_clash),
    Rule("FTC205", paths_are_mounted),
    Rule("FTC206", dataset_cache_is_written_once),
    Rule("FTC207", restarts_resume),
    Rule("FTC208", transport_is_verified, Severity.WARNING),
    Rule("FTC209", result_is_kept, Severity.WARNING),
    Rule("FTC210", restarts_find_checkpoints, Severity.WARNING),
)
