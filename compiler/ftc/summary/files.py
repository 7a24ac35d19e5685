"""The origin, the place and the lifetime of a run's files, and the objects and images that must exist before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan.files import scripts_name
from ftc.plan.pod import containers
from ftc.plan.storage import cache_volume, is_shared
from ftc.spec.base import kind
from ftc.spec.source import (
    S3,
    FromHub,
    Git,
    GitPush,
    HubPush,
    HuggingFace,
    KeepOnVolume,
    ModelScope,
    OnVolume,
    Publish,
    S3Push,
    Source,
    Staged,
)
from ftc.spec.storage import Claim, InWorkspace, JobClaim, Nfs, NodeDirectory, PerPod, PerPodClaim, Storage
from ftc.summary.types import Fetched, Requirement, Stage, Volume
from ftc.trainer.arguments import MERGED, QUANTIZED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.plan.types import Fetch, RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.storage import Volume as Mounted
    from ftc.summary.types import Secret


_OF_THE_POD = "the pod"
EVERY_NODE = "every node"
ONE_FOR_ALL = "node 0 for all"


def volumes(storage: Storage) -> tuple[Volume, ...]:
    """Every volume of the run, the workspace first."""
    found = [_volume("workspace", storage.workspace)]
    if isinstance(storage.cache, InWorkspace):
        gone_with = found[0].gone_with
        found.append(Volume("cache", storage.cache.path, "a directory in the workspace", found[0].access, gone_with))
    else:
        found.append(_volume("cache", storage.cache))
    return (*found, *(_volume(name, volume) for name, volume in storage.more.items()))


def _volume(name: str, volume: Mounted) -> Volume:
    holds, access, gone_with = _kind(volume)
    read_only = ", read only" if isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only else ""
    return Volume(name, volume.mount_path, holds, f"{access}{read_only}", gone_with)


def _kind(volume: Mounted) -> tuple[str, str, str | None]:
    """The kind of a volume, its access mode, and what its files are lost with."""
    match volume:
        case Claim():
            return f"claim {volume.claim}{f'/{volume.sub_path}' if volume.sub_path else ''}", volume.access_mode, None
        case JobClaim():
            return f"a {volume.size} claim for the job", volume.access_mode, "the job"
        case PerPod():
            return f"{volume.size} of {'memory' if volume.in_memory else 'the node'}", "one per pod", _OF_THE_POD
        case PerPodClaim():
            return f"a {volume.size} claim for each pod", volume.access_mode, _OF_THE_POD
        case Nfs():
            return f"NFS {volume.server}:{volume.path}", "all nodes", None
        case NodeDirectory():
            return f"{volume.path} on the node", "one per node", None
        case _:
            assert_never(volume)


def fetched(spec: JobSpec, run: RunPlan) -> tuple[Fetched, ...]:
    """Every source of the run, those that the trainer itself downloads last."""
    return (*(_fetched(spec, fetch) for fetch in run.fetches), *_asked_by_trainer(spec))


def _fetched(spec: JobSpec, fetch: Fetch) -> Fetched:
    return Fetched(
        name=fetch.name,
        kind=kind(fetch.source),
        origin=_origin(fetch.source),
        revision=_revision(fetch.source),
        directory=fetch.directory,
        by=_by(spec, fetch.source),
    )


def _asked_by_trainer(spec: JobSpec) -> Iterator[Fetched]:
    for name, source in spec.sources.items():
        if isinstance(source, FromHub):
            origin = _origin(source)
            by = "the trainer on each node, at startup"
            yield Fetched(name, kind(source), origin, source.revision, origin, by)


def _origin(source: Source) -> str:
    match source:
        case Git():
            return source.url
        case HuggingFace() | ModelScope() | FromHub():
            return f"{source.repository}{f' from {source.endpoint}' if source.endpoint else ''}"
        case S3():
            return f"{source.bucket}/{source.prefix} from {source.endpoint}"
        case OnVolume():
            return source.path
        case _:
            assert_never(source)


def _revision(source: Staged) -> str:
    match source:
        case Git():
            return source.revision or "the default branch"
        case HuggingFace() | ModelScope() | OnVolume():
            return source.revision
        case S3():
            return ""
        case _:
            assert_never(source)


def _by(spec: JobSpec, source: Staged) -> str:
    if isinstance(source, OnVolume):
        return "must exist"
    if spec.nodes == 1:
        return "if missing"
    return f"{fetching(spec, source)}, if missing"


def fetching(spec: JobSpec, source: Staged) -> str:
    """The nodes that fetch a source; every node checks the files before the training."""
    shared = is_shared(cache_volume(spec.storage))
    return ONE_FOR_ALL if spec.nodes > 1 and shared and not isinstance(source, OnVolume) else EVERY_NODE


def results(spec: JobSpec, directory: str) -> tuple[Stage, ...]:
    """The stages after the training."""
    found = []
    if spec.method is not None and spec.method.merge is not None:
        found.append(Stage("merge", "node 0", "llamafactory-cli export", f"{directory}/{MERGED}"))
    if spec.method is not None and spec.method.quantize is not None:
        found.append(Stage("quantize", "node 0", "llamafactory-cli export", f"{directory}/{QUANTIZED}"))
    if spec.evaluates:
        found.append(Stage("evaluate", "node 0", "llamafactory-cli train", f"{directory}/evaluation.json"))
    return (*found, *_published(spec.publish, directory))


def _published(sink: Publish, directory: str) -> tuple[Stage, ...]:
    match sink:
        case GitPush():
            return (Stage("publish", "node 0", "git push", f"{sink.url}, branch {sink.branch_prefix}-<time>-<digest>"),)
        case HubPush():
            by = f" at {sink.endpoint}" if sink.endpoint else ""
            return (Stage("publish", "node 0", "commit", f"{sink.repository}{by}, branch {sink.branch}"),)
        case S3Push():
            below = "/".join(part for part in (sink.bucket, sink.prefix, directory.rpartition("/")[2]) if part)
            return (Stage("publish", "node 0", "copy", f"{below} at {sink.endpoint}"),)
        case KeepOnVolume():
            return ()
        case _:
            assert_never(sink)


def requires(
    spec: JobSpec, pod: Json, secrets: Sequence[Secret], queue: tuple[str, str] | None
) -> tuple[Requirement, ...]:
    """Everything that the pods refer to and that ftc does not emit, each once."""
    queues = [Requirement(*queue, "")] if queue else []
    namespaces = [Requirement("namespace", spec.namespace, "")] if spec.namespace else []
    scripts = scripts_name() if spec.scripts == "configmap" else None
    named = (*_claims(spec, pod), *_others(pod, scripts), *map(_secret, secrets))
    found = (*named, *namespaces, *queues, *_settings(pod), *_images(pod))
    return tuple(dict.fromkeys(found))


def _claims(spec: JobSpec, pod: Json) -> Iterator[Requirement]:
    storage = spec.storage
    known = {
        one.claim: one for one in (storage.workspace, storage.cache, *storage.more.values()) if isinstance(one, Claim)
    }
    for volume in pod.get("volumes", []):
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            claim = known.get(name)
            size = f", {claim.size}: -t storage makes it" if claim and claim.size else ""
            yield Requirement("claim", str(name), f"{claim.access_mode}{size}" if claim else "")


def _others(pod: Json, scripts: str | None) -> Iterator[Requirement]:
    """ConfigMaps, with that of ftc's `scripts`, and Secrets that are mounted."""
    for volume in pod.get("volumes", []):
        parts = [volume, *(volume.get("projected") or {}).get("sources", [])]
        for part in parts:
            if name := (part.get("configMap") or {}).get("name"):
                yield Requirement("ConfigMap", str(name), "-t scripts makes it" if name == scripts else "mounted")
            if name := (part.get("secret") or {}).get("secretName", (part.get("secret") or {}).get("name")):
                yield Requirement("Secret", str(name), "mounted")
    for container in containers(pod):
        for source in [
            *container.get("envFrom", []),
            *(one.get("valueFrom") or {} for one in container.get("env", [])),
        ]:
            if name := (source.get("configMapRef") or source.get("configMapKeyRef") or {}).get("name"):
                yield Requirement("ConfigMap", str(name), f"variables of {container['name']}")


def _secret(secret: Secret) -> Requirement:
    return Requirement("Secret", secret.name, f"{', '.join(secret.keys)} for {', '.join(secret.containers)}")


def _settings(pod: Json) -> Iterator[Requirement]:
    for key, name in (
        ("serviceAccountName", "account"),
        ("priorityClassName", "priority"),
        ("runtimeClassName", "runtime"),
    ):
        if pod.get(key):
            yield Requirement(name, str(pod[key]), key)


def _images(pod: Json) -> Iterator[Requirement]:
    for image in dict.fromkeys(str(container.get("image", "")) for container in containers(pod)):
        yield Requirement("image", image, "")
