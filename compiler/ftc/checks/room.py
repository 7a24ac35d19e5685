"""Rules on the room of volumes that are made for the run: the weights, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.memory import RELATED, gib
from ftc.checks.quantities import SMALLEST
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.estimate import files
from ftc.plan.quantity import quantity
from ftc.plan.storage import cache_volume
from ftc.spec.storage import InWorkspace, JobClaim, PerPod, PerPodClaim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec
    from ftc.spec.storage import Volume

_GIB = 1 << 30


def cache_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A volume that is made for the run is larger than the weights that are downloaded to it.

    The download ends with `No space left on device`, or the kubelet evicts the pod (`Usage of EmptyDir volume … exceeds
    the limit`). The weights count 2 bytes a parameter.

    Wrong: storage=in-memory model=qwen3-14b
    Right: storage=in-memory model=qwen3-4b
    """
    size, weights = _size(cache_volume(spec.storage)), files.fetched(spec)
    if size is not None and weights > size:
        owner = "workspace" if isinstance(spec.storage.cache, InWorkspace) else "cache"
        message = f"{gib(size)} hold less than the {gib(weights)} of weights that are downloaded"
        yield Finding(("storage", owner, "size"), message, _help(owner, weights + files.written(spec)), RELATED)


def workspace_has_room(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A workspace that is made for the run holds what the run leaves there, beside what it downloads.

    A merge writes all weights once more, when the training is done, and so does each tuning of all weights. It ends
    with `No space left on device`. Checkpoints on the way are not counted.

    Wrong: storage=in-memory model=qwen3-4b storage.workspace.size=12Gi
    Right: storage=in-memory model=qwen3-4b storage.workspace.size=20Gi
    """
    beside = files.fetched(spec) if isinstance(spec.storage.cache, InWorkspace) else 0
    size, written = _size(spec.storage.workspace), files.written(spec)
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
    Rule("FTC226", cache_has_room),
    Rule("FTC227", workspace_has_room, Severity.WARNING),
)
