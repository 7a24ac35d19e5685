"""`ftc explain` of a line; CPU time of the processes."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cold_compile import cpu
from benchmarks.measuring import FTC, Row, in_turn, seconds, show

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 7
PLACE = "spec.minAvailable"
SMALL, LARGE = 250, 1_000
SOON = 0.35


def rows() -> Iterator[Row]:
    """Measure."""
    explain, compile_ = (*FTC, "explain", "20", "nodes=2"), (*FTC, "compile", "nodes=2")
    (took, other), (ratio, _) = in_turn([partial(cpu, explain), partial(cpu, compile_)], ROUNDS)
    yield Row(
        "`ftc explain LINE`", seconds(took), f"`ftc compile` {seconds(other)}", ratio, f"≤ {SOON} s", took <= SOON
    )
    with tempfile.TemporaryDirectory() as directory:
        many, few = (partial(cpu, _explained(Path(directory), count)) for count in (LARGE, SMALL))
        (took, other), (ratio, _) = in_turn([many, few], 3)
    work, peer = f"the same with {LARGE:,} variables", f"{SMALL} variables {seconds(other)}"
    yield Row(work, seconds(took), peer, ratio, f"≤ {LARGE // SMALL} x", ratio <= LARGE / SMALL)


def _explained(directory: Path, variables: int) -> tuple[str, ...]:
    env = "".join(f"  NAME_{number}: value\n" for number in range(variables))
    text = f"defaults: [config, _self_]\nenv:\n{env}"
    (directory / f"run-{variables}.yaml").write_text(text, encoding="utf-8")
    return (*FTC, "explain", PLACE, "--config-dir", str(directory), "-c", f"run-{variables}")


if __name__ == "__main__":
    show(rows())
