"""Shared by the benchmarks: the cost of a process, alternating measurements, and the table."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FTC = (sys.executable, "-m", "ftc.cli.main")


class Cost(NamedTuple):
    """The cost of a process and of those that it started: CPU seconds (user and system), peak memory, wall time."""

    seconds: float
    peak_mib: float
    wall: float


class Row(NamedTuple):
    """A row of the table; `reached` says whether the limit is met."""

    work: str
    ours: str
    peer: str
    ratio: float | None
    reach: str
    reached: bool


def cost(
    command: Sequence[str], *, accepted: tuple[int, ...] = (0,), environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a command and discard its output; `environment` adds variables."""
    # Programs run from bytecode, as an installation does.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables | dict(environment or {})
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise SystemExit(f"{' '.join(command)[:300]} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - began)


def seconds(took: float) -> str:
    """A duration as the table shows it."""
    return f"{took:.3f} s" if took < 1 else f"{took:.1f} s"


def in_turn(works: Sequence[Callable[[], float]], rounds: int) -> tuple[list[float], list[float]]:
    """The median of each work and of its ratio to the last one; alternating, so that drift affects all of them."""
    found = [[work() for work in works] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*found, strict=True)]
    ratios = [statistics.median(one[i] / one[-1] for one in found) for i in range(len(works))]
    return medians, ratios


def show(rows: Iterable[Row]) -> None:
    """Print the rows as a Markdown table, as soon as each is measured."""
    print("| work | ftc | floor or peer | ratio | reach | |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        said = "reached" if row.reached else "not reached"
        print(f"| {row.work} | {row.ours} | {row.peer} | {ratio} | {row.reach} | {said} |", flush=True)
