"""Compare only what two sides share, and list the rest, so that no report claims more than was checked."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from ftc.diff.pairing import duplicates
from ftc.driver import SPEC
from ftc.output import kustomization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.diff.objects import Thing
    from ftc.diff.report import Run

_SHORT = 5


def why_not(before: Mapping[str, Run], after: Mapping[str, Run]) -> str:
    """Why nothing can be compared: a side is empty, or the sides share no kind. Empty if it can."""
    old, new = _all(before), _all(after)
    empty = [side for side, some in (("before", old), ("after", new)) if not some]
    if empty:
        return f"nothing is compared: {' and '.join(empty)} contains nothing that ftc compares"
    if any(_kinds(before[name].things) & _kinds(after[name].things) for name in before.keys() & after.keys()):
        return ""
    return f"nothing is compared: before has only {_listed(old)}; after has only {_listed(new)}"


def remarks(before: Mapping[str, Run], after: Mapping[str, Run]) -> list[str]:
    """Remarks on the objects of each side."""
    return [
        f"{side} has {PurePath(name) / one} more than once, but a cluster keeps one object per name"
        for side, runs in (("before", before), ("after", after))
        for name, run in runs.items()
        for one in duplicates(run.things)
    ]


def left_out(before: Mapping[str, Run], after: Mapping[str, Run]) -> list[str]:
    """The files that differ but are not compared: specs, whose effects are, and lists of the other files."""
    return sorted(
        str(PurePath(name) / file)
        for name in before.keys() & after.keys()
        for file in (SPEC, kustomization.FILE)
        if before[name].files.get(file) != after[name].files.get(file)
    )


def _all(runs: Mapping[str, Run]) -> list[str]:
    return [str(PurePath(name) / str(thing)) for name, run in runs.items() for thing in run.things]


def _kinds(some: list[Thing]) -> set[str]:
    return {thing.kind for thing in some}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHORT} more" if len(names) > _SHORT else ""
    return f"{', '.join(names[:_SHORT])}{more}"
