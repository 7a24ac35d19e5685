"""The table of `ftc status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.columns import padded, width
from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.cluster.status import Run

HEADER = ("NAME", "PHASE", "NODES", "STEP", "AGE", "QUEUE")
_GAP = "  "
# The columns that a narrow terminal cuts, with the least that they keep.
_CUT = ((0, 20), (3, 12), (5, 8))


def cells(run: Run) -> tuple[str, ...]:
    """The cells of a run's line."""
    step = f"{run.step} {run.progress}".strip()
    found = (run.name, run.phase, f"{run.nodes_ready}/{run.nodes}", step, run.age, run.queue)
    return tuple(inert(escaped(one)) or "-" for one in found)


def table(runs: Sequence[Run], columns: int | None = None) -> list[str]:
    """The header and one line for each run, which fit a terminal of this width; without one, no name is cut."""
    lines = [HEADER, *map(cells, runs)]
    wide = [max(map(width, column)) for column in zip(*lines, strict=True)]
    for number, least in _CUT if columns else ():
        over = sum(wide) + len(_GAP) * (len(wide) - 1) - (columns or 0)
        if over > 0:
            wide[number] = min(wide[number], max(wide[number] - over, least))
    shown = ((padded(_cut(cell, room), room) for cell, room in zip(line, wide, strict=True)) for line in lines)
    return [_GAP.join(line).rstrip() for line in shown]


def _cut(text: str, columns: int) -> str:
    """A text without its middle: the end of a name tells runs apart. Names of Kubernetes are ASCII."""
    if width(text) <= columns:
        return text
    tail = columns // 2
    return f"{text[: columns - tail - 1]}…{text[-tail:]}"
