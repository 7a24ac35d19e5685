"""Copy the model into the memory of each pod before the training."""

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
    """Whether the trainer reads the model from memory."""
    return spec.model is not None and spec.storage.model_in_memory_gib > 0


def directory(spec: JobSpec, fetch: Fetch) -> str:
    """The directory from which the training reads a fetched source."""
    return _copy(fetch) if fetch.name == "model" and is_staged(spec) else fetch.directory


def command(spec: JobSpec, files: str, rest: tuple[str, ...]) -> tuple[str, ...]:
    """The training's command, preceded by the copy if there is one."""
    return ("bash", f"{files}/{SCRIPT}", *rest) if is_staged(spec) else rest


def variables(spec: JobSpec, fetched: tuple[Fetch, ...]) -> dict[str, str | None]:
    """The variables that stage.sh reads."""
    if not is_staged(spec):
        return {}
    return {name: value for f in fetched if f.name == "model" for name, value in _from_to(f)}


def _from_to(fetch: Fetch) -> tuple[tuple[str, str], ...]:
    return (("STAGE_FROM", fetch.directory), ("STAGE_TO", _copy(fetch)))


def _copy(fetch: Fetch) -> str:
    """Named by the whole path, because several runs on one machine share the parent directory."""
    own = fetch.directory.rstrip("/").removesuffix(FILES)
    return f"{_MEMORY}/{slug(own.rpartition('/')[2])}-{digest(fetch.directory)}"
