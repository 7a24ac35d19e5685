"""Expand a matrix, overrides with several values, into all of its combinations."""

from __future__ import annotations

import hashlib
import re
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import msgspec

from ftc.conf_tree import groups
from ftc.diagnostics.codes import CHOICE, TOO_LARGE
from ftc.plan.made import without_secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftc.compose.by_hydra.sweep import Choice, Values
    from ftc.diagnostics.model import Diagnostic

# Readable, and short enough that a file name with it stays within 255 bytes.
_LONGEST = 120


class Point(msgspec.Struct, frozen=True):
    """One combination: all its overrides, and those that were chosen from several values."""

    overrides: tuple[str, ...]
    chosen: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """The name of its directory, such as `hardware=ascend,nodes=2`; it depends only on `chosen`.

        A digest is added to a name that a file system might refuse or confuse with another one, or without its secrets.
        """
        exact = ",".join(self.chosen)
        plain = re.sub(r"[^a-z0-9.,_=@+-]", "_", ",".join(map(without_secret, self.chosen)).lower())
        if plain == exact and len(plain) <= _LONGEST:
            return plain
        return f"{plain[:_LONGEST]}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


def points(
    overrides: Sequence[str], directories: Sequence[tuple[Path, str]], excludes: Sequence[Sequence[str]] = ()
) -> tuple[tuple[Point, ...], tuple[Diagnostic, ...]]:
    """Return every combination, in Hydra's order: the last override varies first.

    Each of the `excludes` is in the same syntax, and removes the combinations that match all of its overrides.
    Malformed overrides and excludes that remove nothing are reported.
    """
    from ftc.compose.by_hydra.overrides import problem  # noqa: PLC0415 - Hydra, which a single run need not load
    from ftc.compose.by_hydra.sweep import MAX_COMBINATIONS, choice  # noqa: PLC0415 - the same

    problems: list[Diagnostic] = []
    known = groups(directories)
    choices = [one for text in overrides if (one := choice(text, known, problems))]
    left_out = [[one for text in exclude if (one := choice(text, known, problems))] for exclude in excludes]
    if problems:
        return (), tuple(problems)
    count = prod(len(one.values) for one in choices)
    if count > MAX_COMBINATIONS:
        swept = " ".join(one.text for one in choices if one.swept)
        wrong = f"gives {count} combinations; the limit is {MAX_COMBINATIONS}"
        return (), (problem(TOO_LARGE, wrong, swept, "give fewer values, or split the matrix"),)
    combinations = list(product(*(one.values for one in choices)))
    for exclude in left_out:
        kept = [combination for combination in combinations if not _matches(choices, combination, exclude)]
        if len(kept) == len(combinations):
            texts = " ".join(one.text for one in exclude)
            problems.append(problem(CHOICE, "excludes no combination", texts, "remove it from the excludes"))
        combinations = kept
    if not combinations:
        problems.append(problem(CHOICE, "no combination is left", " ".join(overrides), "exclude fewer"))
    return tuple(_point(choices, combination) for combination in combinations), tuple(problems)


def _point(choices: Sequence[Choice], combination: Values) -> Point:
    said = [choice.override(text) for choice, (text, _) in zip(choices, combination, strict=True)]
    return Point(tuple(said), tuple(text for choice, text in zip(choices, said, strict=True) if choice.swept))


def _matches(choices: Sequence[Choice], combination: Values, exclude: Sequence[Choice]) -> bool:
    read = {choice.key: value for choice, (_, value) in zip(choices, combination, strict=True)}
    return all(read.get(one.key) in {value for _, value in one.values} for one in exclude)
