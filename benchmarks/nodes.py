"""A job of 1,000 nodes takes the same time and the same number of lines as one of 2."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.cold_compile import cpu
from benchmarks.measuring import FTC, Row, in_turn, show

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = (*FTC, "compile", "hardware=ascend", "launcher=torchrun", "devices=8")
MANY, FEW = (*COMMAND, "nodes=1000"), (*COMMAND, "nodes=2")
ROUNDS = 9
SAME = 1.05


def lines(command: tuple[str, ...]) -> int:
    """The lines of the manifest."""
    return len(subprocess.run(command, check=True, capture_output=True).stdout.splitlines())


def rows() -> Iterator[Row]:
    """Measure."""
    many, few = lines(MANY), lines(FEW)
    (ours, theirs), (ratio, _) = in_turn([partial(cpu, MANY), partial(cpu, FEW)], ROUNDS)
    yield Row(
        "1,000 nodes",
        f"{ours * 1000:.0f} ms CPU, {many} lines",
        f"2 nodes: {theirs * 1000:.0f} ms, {few} lines",
        ratio,
        "the same",
        ratio <= SAME and many == few,
    )


if __name__ == "__main__":
    show(rows())
