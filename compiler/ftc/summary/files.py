"""Where a run's files come from, where they lie and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from ftc.plan.storage import cache_volume, is_shared
from ftc.spec.source import Git, GitPush, HuggingFace, ModelScope, OnVolume, Source
from ftc.spec.storage import Claim, InWorkspace, JobClaim, Nfs, NodeDirectory, PerPod, PerPodClaim, Storage
from ftc.summary.types import Fetched, Stage, Volume
from ftc.trainer.arguments import MERGED

if TYPE_CHECKING:
    from ftc.plan.types import Fetch, RunPlan
    from ftc.spec.job import JobSpec
    from ftc.spec.storage import Volume as Mounted

_OF_THE_POD = "the pod"


def volumes(storage: Storage) -> tuple[Volume, ...]:
    """Every volume of the run, the workspace first."""
    found = [_volume("workspace", storage.workspace)]
    if isinstance(storage.cache, InWorkspace):
        gone_with = found[0].gone_with
        found.append(Volume("cache", storage.cache.path, "a directory of the workspace", found[0].access, gone_with))
    else:
        found.append(_volume("cache", storage.cache))
    return (*found, *(_volume(name, volume) for name, volume in storage.more.items()))


def _volume(name: str, volume: Mounted) -> Volume:
    holds, access, gone_with = _kind(volume)
    read_only = ", read only" if isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only else ""
    return Volume(name, volume.mount_path, holds, f"{access}{read_only}", gone_with)


def _kind(volume: Mounted) -> tuple[str, str, str | None]:
    """What it is, who reaches it, and what its files go with."""
    match volume:
        case Claim():
            return f"claim {volume.claim}{f'/{volume.sub_path}' if volume.sub_path else ''}", volume.access_mode, None
        case JobClaim():
            return f"a claim of {volume.size} for the job", volume.access_mode, "the job"
        case PerPod():
            return f"{volume.size} of {'memory' if volume.in_memory else 'the node'}", "each pod its own", _OF_THE_POD
        case PerPodClaim():
            return f"a claim of {volume.size} for each pod", volume.access_mode, _OF_THE_POD
        case Nfs():
            return f"NFS {volume.server}:{volume.path}", "all nodes", None
        case NodeDirectory():
            return f"{volume.path} of the node", "each node its own", None
        case _:
            assert_never(volume)


def fetched(spec: JobSpec, run: RunPlan) -> tuple[Fetched, ...]:
    """Every source of the run."""
    return tuple(_fetched(spec, fetch) for fetch in run.fetches)


def _fetched(spec: JobSpec, fetch: Fetch) -> Fetched:
    source = fetch.source
    return Fetched(
        name=fetch.name,
        kind=str(msgspec.to_builtins(source)["kind"]),
        origin=_origin(source),
        revision=source.revision or ("" if isinstance(source, OnVolume) else "the default branch"),
        directory=fetch.directory,
        by=_by(spec, source),
    )


def _origin(source: Source) -> str:
    match source:
        case Git():
            return source.url
        case HuggingFace() | ModelScope():
            return f"{source.repository}{f' by {source.endpoint}' if source.endpoint else ''}"
        case OnVolume():
            return source.path
        case _:
            assert_never(source)


def _by(spec: JobSpec, source: Source) -> str:
    if isinstance(source, OnVolume):
        return "must be there"
    shared = is_shared(cache_volume(spec.storage))
    if spec.nodes == 1 or not shared:
        return "each pod, unless it is there" if spec.nodes > 1 else "unless it is there"
    return "node 0 for all, unless it is there"


def results(spec: JobSpec, directory: str) -> tuple[Stage, ...]:
    """What follows the training."""
    found = []
    if spec.method is not None and spec.method.merge is not None:
        found.append(Stage("merge", "node 0", "llamafactory-cli export", f"{directory}/{MERGED}"))
    if isinstance(spec.publish, GitPush):
        place = f"{spec.publish.url}, branch {spec.publish.branch_prefix}-<time>"
        found.append(Stage("publish", "node 0", "git push", place))
    return tuple(found)
