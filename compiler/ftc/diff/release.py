"""Fold what only another release or build of ftc changes in every run: its scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diff.report import FTC
from ftc.plan.names import CARRIED
from ftc.releases import SCRIPTS, Step, lines, version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftc.diff.report import Difference, Explained, Run

_SCRIPT = re.compile(rf"{re.escape(CARRIED)}[\w.-]+\.(?:sh|py)")
# The name of a runtime ends in a digest of it.
_NAMES = (("metadata", "name"), ("spec", "runtimeRef", "name"))


def folded(
    found: Sequence[Difference], before: Mapping[str, Run], after: Mapping[str, Run]
) -> tuple[tuple[Difference, ...], list[str]]:
    """The differences without those of a release, and the lines that say what it changes."""
    written = [one for one in found if any(map(_is_of_release, one.changes))]
    steps = {one.name: step for one in written if (step := _step(before.get(one.name), after.get(one.name)))}
    only = next(iter(steps.values())) if len({*steps.values()}) == 1 else None
    left: list[Difference] = []
    changed: list[tuple[Step, bool]] = []
    for one in found:
        step = steps.get(one.name, only if all(map(_is_of_scripts, one.changes)) else None)
        others = tuple(item for item in one.changes if step is None or not _is_of_release(item))
        if step and len(others) < len(one.changes):
            changed.append((step, True))
        if others or not one.changes:
            left.append(msgspec.structs.replace(one, changes=others))
    return tuple(left), lines(changed)


def _is_of_scripts(item: Explained) -> bool:
    """Whether a change is in the ConfigMap with ftc's scripts, which does not name a version."""
    return SCRIPTS.fullmatch(item.thing.removeprefix("ConfigMap/").partition(" ")[0]) is not None


def _step(before: Run | None, after: Run | None) -> Step | None:
    """The releases that wrote the sides of a run; None if a person, and not another build, may have edited a script."""
    old, new = _version(before), _version(after)
    is_edited = before is not None and before.is_edited and old == new
    return Step(old, new) if old and new and not is_edited else None


def _version(run: Run | None) -> str:
    return next((found for text in (run.files.values() if run else ()) if (found := version(text))), "")


def _is_of_release(item: Explained) -> bool:
    change = item.change
    names = [value for value in (change.before, change.after) if isinstance(value, str) and SCRIPTS.fullmatch(value)]
    if len(names) == 2 or _is_of_scripts(item):  # noqa: PLR2004 - both sides
        return True
    by_ftc = [cause.key for cause in item.causes] == [FTC]
    return by_ftc and (change.address in _NAMES or any(_SCRIPT.fullmatch(str(step)) for step in change.address))
