"""What the pod downloads before it trains: one init container a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan import environment, storage
from ftc.plan.names import digest, slug
from ftc.plan.types import FILES, Fetch
from ftc.spec.source import Git, HuggingFace, ModelScope, OnVolume, Source

if TYPE_CHECKING:
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

_SCRIPTS: dict[type[Source], tuple[str, ...]] = {
    Git: ("check_path.sh", "fetch.sh", "download_git.sh", "git_credentials.sh"),
    HuggingFace: ("check_path.sh", "fetch.sh", "download_hub.py"),
    ModelScope: ("check_path.sh", "fetch.sh", "download_hub.py"),
    OnVolume: ("check_path.sh",),
}


def fetches(spec: JobSpec) -> tuple[Fetch, ...]:
    """The sources of the spec and where each will lie."""
    found = []
    if spec.model is not None:
        found.append(Fetch("model", spec.model.source, _directory(spec, spec.model.source)))
    if spec.dataset is not None:
        own = () if spec.dataset.info is not None else spec.dataset.names
        found.append(Fetch("dataset", spec.dataset.source, _directory(spec, spec.dataset.source), own))
    return tuple(found)


def _directory(spec: JobSpec, source: Source) -> str:
    """`<cache>/<slug>-<hash>`, by source and revision: a changed revision is another directory."""
    match source:
        case OnVolume():
            return source.path
        case Git():
            origin = source.url.rstrip("/").removesuffix(".git")
        case HuggingFace() | ModelScope():
            origin = source.repository
        case _:
            assert_never(source)
    kind = type(source).__name__
    name = f"{slug(origin.rpartition('/')[2])}-{digest([kind, origin, source.revision])}"
    return f"{storage.cache_directory(spec.storage).rstrip('/')}/{name}"


def scripts(fetch: Fetch) -> tuple[str, ...]:
    """The scripts that the fetch needs."""
    return _SCRIPTS[type(fetch.source)]


def container(spec: JobSpec, fetch: Fetch) -> Json:
    """The init container; it asks for no device."""
    return {
        "name": f"fetch-{fetch.name}",
        "image": spec.image,
        "command": _command(fetch.source),
        "env": _environment(spec, fetch),
        "resources": {"requests": dict(_RESOURCES), "limits": dict(_RESOURCES)},
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [
            {"name": "ftc", "mountPath": FILES},
            *storage.mounts(spec.storage, fetching=not isinstance(fetch.source, OnVolume)),
        ],
    }


_RESOURCES = {"cpu": "2", "memory": "4Gi"}


def _command(source: Source) -> list[str]:
    match source:
        case Git():
            return ["bash", f"{FILES}/fetch.sh", "bash", f"{FILES}/download_git.sh"]
        case HuggingFace() | ModelScope():
            return ["bash", f"{FILES}/fetch.sh", "python3", f"{FILES}/download_hub.py"]
        case OnVolume():
            return ["bash", f"{FILES}/check_path.sh"]
        case _:
            assert_never(source)


def _environment(spec: JobSpec, fetch: Fetch) -> list[Json]:
    wanted = ",".join(fetch.datasets) or None
    place: dict[str, str | None] = {"TARGET_DIR": fetch.directory, "EXPECT_DATASETS": wanted}
    if isinstance(fetch.source, OnVolume):
        return environment.variables({**place, "REVISION": fetch.source.revision or None})
    shared = storage.is_shared(storage.cache_volume(spec.storage))
    protocol = {
        "NNODES": str(spec.nodes),
        "SHARED_CACHE": "true" if shared else "false",
        "FETCH_TIMEOUT": str(spec.cluster.fetch_timeout_seconds),
    }
    ours = [*_origin(fetch), *environment.variables({**place, **protocol})]
    return [*environment.variables(spec.cluster.env), *ours]


def _origin(fetch: Fetch) -> list[Json]:
    source = fetch.source
    match source:
        case Git():
            verify = None if source.tls_verify else "false"
            values = {"SOURCE": source.url, "REVISION": source.revision or None, "TLS_VERIFY": verify}
            return [*environment.variables(values), *environment.git_credentials(source.credentials)]
        case HuggingFace():
            hub = _hub("huggingface", fetch.name, source)
            endpoint = environment.variables({"HF_ENDPOINT": source.endpoint})
            return [*hub, *endpoint, *environment.token("HF_TOKEN", source.token)]
        case ModelScope():
            hub = _hub("modelscope", fetch.name, source)
            endpoint = environment.variables({"MODELSCOPE_ENDPOINT": source.endpoint})
            return [*hub, *endpoint, *environment.token("MODELSCOPE_API_TOKEN", source.token)]
        case OnVolume():
            return []
        case _:
            assert_never(source)


def _hub(hub: str, repo_type: str, source: HuggingFace | ModelScope) -> list[Json]:
    return environment.variables(
        {"HUB": hub, "SOURCE": source.repository, "REPO_TYPE": repo_type, "REVISION": source.revision}
    )
