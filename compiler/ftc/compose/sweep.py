"""Expand a matrix, overrides with several values in Hydra's sweep syntax, into all of its combinations."""

from __future__ import annotations

import hashlib
import re
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from hydra.core.override_parser.types import Glob, Override

from ftc.compose.loader import groups
from ftc.compose.overrides import MAX_COMBINATIONS, problem, read, too_many, value_tree
from ftc.diagnostics.codes import CHOICE, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

# Readable, and short enough that a file name with it stays within 255 bytes.
_LONGEST = 120
_Values: TypeAlias = "tuple[tuple[str, str], ...]"
"""Values as written, each with the value that Hydra reads."""


class Point(msgspec.Struct, frozen=True):
    """One combination: all its overrides, and those that were chosen from several values."""

    overrides: tuple[str, ...]
    chosen: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """The name of its directory, such as `hardware=ascend,nodes=2`; it depends only on `chosen`.

        A digest is added to a name that a file system might refuse or confuse with another one.
        """
        exact = ",".join(self.chosen)
        plain = re.sub(r"[^a-z0-9.,_=@+-]", "_", exact.lower())
        if plain == exact and len(plain) <= _LONGEST:
            return plain
        return f"{plain[:_LONGEST]}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


class _Choice(msgspec.Struct, frozen=True):
    """An override, its key and its values."""

    text: str
    key: str
    values: _Values
    swept: bool

    def override(self, value: str) -> str:
        return f"{self.text.partition('=')[0]}={value}" if self.swept else self.text


def points(
    overrides: Sequence[str], directories: Sequence[tuple[Path, str]], excludes: Sequence[Sequence[str]] = ()
) -> tuple[tuple[Point, ...], tuple[Diagnostic, ...]]:
    """Return every combination, in Hydra's order: the last override varies first.

    Each of the `excludes` is in the same syntax, and removes the combinations that match all of its overrides.
    Malformed overrides and excludes that remove nothing are reported.
    """
    problems: list[Diagnostic] = []
    known = groups(directories)
    choices = [choice for text in overrides if (choice := _choice(text, known, problems))]
    left_out = [[choice for text in exclude if (choice := _choice(text, known, problems))] for exclude in excludes]
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


def _point(choices: Sequence[_Choice], combination: _Values) -> Point:
    said = [choice.override(text) for choice, (text, _) in zip(choices, combination, strict=True)]
    return Point(tuple(said), tuple(text for choice, text in zip(choices, said, strict=True) if choice.swept))


def _matches(choices: Sequence[_Choice], combination: _Values, exclude: Sequence[_Choice]) -> bool:
    read = {choice.key: value for choice, (_, value) in zip(choices, combination, strict=True)}
    return all(read.get(one.key) in {value for _, value in one.values} for one in exclude)


def _choice(text: str, known: dict[str, tuple[str, ...]], problems: list[Diagnostic]) -> _Choice | None:
    override, malformed = read(text)
    problems += [malformed] if malformed else []
    if override is None:
        return None
    key = override.get_key_element().lstrip("+")
    if not override.is_sweep_override():
        return _Choice(text, key, ((text, repr(override.value())),), swept=False)
    if wrong := too_many(override):
        problems.append(problem(TOO_LARGE, wrong, text, "give fewer values, or split the matrix"))
        return None
    values = _values(override, text, known.get(override.key_or_group, ()))
    if wrong := _wrong(override, values):
        problems.append(problem(CHOICE, wrong, text, "give each value once: key=a,b"))
    return _Choice(text, key, values, swept=True)


def _wrong(override: Override, values: _Values) -> str:
    if override.is_interval_sweep():
        return "is an interval, which has infinitely many values"
    if not values:
        return "gives no value"
    return "gives the same value twice" if len({value for _, value in values}) < len(values) else ""


def _values(override: Override, text: str, options: Sequence[str]) -> _Values:
    """The values of a sweep, each as it is written if possible: the string 1.10 is not 1.1."""
    if override.is_interval_sweep():
        return ()
    swept: Any = override._value  # noqa: SLF001 - Hydra's value() hides the content of a glob
    if isinstance(swept, Glob):
        return tuple((name, repr(name)) for name in swept.filter(list(options)))
    values = list(override.sweep_iterator())
    written = _written(text.partition("=")[2])
    if len(written) != len(values):  # a range, or a function of choices
        written = [Override._get_value_element_as_str(value) for value in values]  # noqa: SLF001 - the inverse of parsing
    read = [Override._convert_value(value) for value in values]  # noqa: SLF001 - as Override.value() does
    return tuple((letters, repr(value)) for letters, value in zip(written, read, strict=True))


def _written(value: str) -> list[str]:
    """The elements of `a,b` or `choice(a,b)`."""
    tree = value_tree(value)
    listed: Any = tree.simpleChoiceSweep() or tree.element().function()
    if tree.element() and listed.ID().getText() != "choice":
        return []
    return [value[one.start.start : one.stop.stop + 1].strip() for one in listed.element()]
