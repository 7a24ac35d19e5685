"""The table of the results, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpu.run import Result

# Engines add in another order and in bf16: curves of one training differ by 0.4 % at most on two H200.
SAME = 0.01
# What docs/en/guides promises for the estimate.
NEAR = 0.15


def table(curves: list[Result], memory: list[Result]) -> tuple[str, int]:
    """The table, and 1 if a row has failed."""
    last = {result.case.name: result.losses[-1] for result in curves if result.losses and not result.failure}
    judged = [(result, _curve(result, last)) for result in curves]
    peaks = [(result, result.failure or _peak(result)) for result in memory]
    failed = any(failure for _, failure in (*judged, *peaks))
    return "\n".join([*_curves(judged), "", *_memory(peaks), ""]), int(failed)


def _curve(result: Result, last: dict[str, float]) -> str | None:
    if result.failure or result.case.end == "stop":
        return result.failure
    first, end = result.losses[0], result.losses[-1]
    if not end < first:
        return "the loss does not fall"
    same = last.get(result.case.same_as or "", end)
    return None if abs(end / same - 1) <= SAME else f"{100 * (end / same - 1):+.1f} % of {result.case.same_as}"


def _peak(result: Result) -> str | None:
    assert result.used
    assert result.estimate
    off = result.estimate / result.used - 1
    return None if abs(off) <= NEAR else "the estimate is off"


def _curves(rows: list[tuple[Result, str | None]]) -> Iterator[str]:
    yield "| training | GPUs | first loss | last loss | same as | result |"
    yield "|---|---|---|---|---|---|"
    for result, failure in rows:
        case, ends = result.case, [f"{loss:.3f}" for loss in (*result.losses[:1], *result.losses[-1:])] or ["", ""]
        yield f"| {case.name} | {case.devices} | {ends[0]} | {ends[1]} | {case.same_as or ''} | {failure or 'ok'} |"


def _memory(rows: list[tuple[Result, str | None]]) -> Iterator[str]:
    yield "| training | GPUs | used, GiB | estimate, GiB | difference | result |"
    yield "|---|---|---|---|---|---|"
    for result, failure in rows:
        used, estimate = (result.used or 0) / 1024, (result.estimate or 0) / 1024
        off = f"{100 * (estimate / used - 1):+.1f} %" if used else ""
        sizes = f"{used:.2f} | {estimate:.2f} | {off}"
        yield f"| {result.case.name} | {result.case.devices} | {sizes} | {failure or 'ok'} |"
