"""The pods that train together, and what their launchers are told."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from ftc.lint.objects import Kind

if TYPE_CHECKING:
    from ftc.lint.launch import Launch
    from ftc.lint.shell.script import Word
    from ftc.lint.steps import Run, Step
    from ftc.lint.text import Spot

_MOST_UNSEEN = 8


@lru_cache(maxsize=8)
def worlds(run: Run) -> set[int] | None:
    """How many pods may belong to the training: those that launch it, and any of those that cannot be seen into.

    Nothing is known where two tasks have one name.
    """
    if run.job.kind is Kind.POD:
        return None
    counts = {crew.name: crew.replicas for crew in run.job.crews}
    unseen = {step.pod.crew.name for step in run.steps if step.unseen and not step.init} - run.trains
    if None in counts.values() or not run.trains or len(counts) < len(run.job.crews):
        return None
    sure = sum(counts[name] or 0 for name in run.trains)
    others = [counts[name] or 0 for name in sorted(unseen)][:_MOST_UNSEEN]
    return {sure + sum(some) for size in range(len(others) + 1) for some in combinations(others, size)}


def spot_of(step: Step, word: Word) -> Spot:
    """The place of a word in what a container runs."""
    return step.program.at(word.start) if step.program is not None else step.at()


def number_in(text: str | None) -> int | None:
    """The number that a text is, where it is one."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None


def given_once(step: Step, launch: Launch, name: str) -> Word | None:
    """The word that a variable is given before a command, or in one place of its script."""
    script = step.script.assignments
    given = [one for one in launch.command.settings if one.name == name] or [one for one in script if one.name == name]
    return given[-1].value if len(given) == 1 else None
