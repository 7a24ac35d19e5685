"""`ftc golden check` of 200 unchanged cases: CPU time of the process."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import FTC, Row, cost, in_turn, seconds, show

if TYPE_CHECKING:
    from collections.abc import Iterator

# A hundred combinations of options, each with one and with two nodes.
HARDWARE = ("ascend", "h800", "a800", "h100", "h20", "nvidia", "l40s", "a10", "v100", "cpu")
MODELS = ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen2.5-0.5b-instruct", "llama-3.2-1b-instruct")
GROUPS = (
    [f"hardware={name}" for name in HARDWARE],
    ["launcher=torchrun", "launcher=accelerate"],
    [f"model={name}" for name in MODELS],
    ["nodes=1", "nodes=2"],
)
CASES, MANY = 200, 1_000
ROUNDS = 3
LIMIT_SECONDS = 3.0


def write(golden: Path, cases: int) -> None:
    """Write the cases."""
    steps = [f"train.logging_steps={number}" for number in range(1, cases // CASES + 1)]
    for overrides in islice(product(steps, *GROUPS), cases):
        case = golden / "-".join(one.partition("=")[2] for one in overrides)
        case.mkdir(parents=True)
        (case / "case.yaml").write_text(f"why: A case of the benchmark.\noverrides: [{', '.join(overrides)}]\n")


def updated(cases: int) -> float:
    """The CPU seconds of the first update of some cases."""
    with tempfile.TemporaryDirectory() as directory:
        golden = Path(directory, "golden")
        write(golden, cases)
        return cost((*FTC, "golden", "update", "--dir", str(golden))).seconds


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory:
        golden = Path(directory, "golden")
        write(golden, CASES)
        subprocess.run((*FTC, "golden", "update", "--dir", str(golden)), check=True, stdout=subprocess.DEVNULL)
        took = statistics.median(cost((*FTC, "golden", "check", "--dir", str(golden))).seconds for _ in range(ROUNDS))
    (many, few), (ratio, _) = in_turn([partial(updated, MANY), partial(updated, CASES)], 1)
    work, peer, most = f"`ftc golden update`, {MANY:,} new cases", f"{CASES} cases {seconds(few)}", MANY // CASES
    yield Row(work, seconds(many), peer, ratio, f"≤ {most} x", ratio <= most)
    limit = f"≤ {LIMIT_SECONDS:.0f} s"
    yield Row(
        f"`ftc golden check`, {CASES} unchanged cases", f"{took:.1f} s CPU", "-", None, limit, took <= LIMIT_SECONDS
    )


if __name__ == "__main__":
    show(rows())
