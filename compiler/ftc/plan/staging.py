"""A copy of the model in the memory of each node's pod, made before the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.fetch import FILES
from ftc.plan.names import digest, slug

if TYPE_CHECKING:
    from ftc.plan.types import Fetch
    from ftc.spec.job import JobSpec

SCRIPT = "stage.sh"
_MEMORY = "/dev/shm/ftc"  # noqa: S108 - the shared memory of the pod


def is_staged(spec: JobSpec) -> bool:
    """Whether the trainer reads a copy in memory."""
    return spec.model is not None and spec.storage.model_in_memory_gib > 0


def directory(spec: JobSpec, fetch: Fetch) -> str:
    """Where the training finds what was fetched."""
    return _copy(fetch) if fetch.name == "model" and is_staged(spec) else fetch.directory


def command(spec: JobSpec, files: str, rest: tuple[str, ...]) -> tuple[str, ...]:
    """The training's command, after the copy if there is one."""
    return ("bash", f"{files}/{SCRIPT}", *rest) if is_staged(spec) else rest


def variables(spec: JobSpec, fetched: tuple[Fetch, ...]) -> dict[str, str | None]:
    """What the copying script reads."""
    if not is_staged(spec):
        return {}
    return {name: value for f in fetched if f.name == "model" for name, value in _from_to(f)}


def _from_to(fetch: Fetch) -> tuple[tuple[str, str], ...]:
    return (("STAGE_FROM", fetch.directory), ("STAGE_TO", _copy(fetch)))


def _copy(fetch: Fetch) -> str:
    """By the whole path: on a machine, other runs have their copies next to it."""
    own = fetch.directory.rstrip("/").removesuffix(FILES)
    return f"{_MEMORY}/{slug(own.rpartition('/')[2])}-{digest(fetch.directory)}"
