"""Read overrides with several values, in Hydra's sweep syntax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep

from ftc.compose.by_hydra.overrides import problem, read, value_tree
from ftc.diagnostics.codes import CHOICE, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.diagnostics.model import Diagnostic

# A matrix is compiled and held in memory as a whole.
MAX_COMBINATIONS = 10_000
Values: TypeAlias = "tuple[tuple[str, str], ...]"
"""Values as written, each with the value that Hydra reads."""


class Choice(msgspec.Struct, frozen=True):
    """An override, its key and its values."""

    text: str
    key: str
    values: Values
    swept: bool

    def override(self, value: str) -> str:
        """The override with one of the values."""
        return f"{self.text.partition('=')[0]}={value}" if self.swept else self.text


def choice(text: str, known: dict[str, tuple[str, ...]], problems: list[Diagnostic]) -> Choice | None:
    """Read an override of a matrix; None if it is malformed, which is added to the problems."""
    override, malformed = read(text)
    problems += [malformed] if malformed else []
    if override is None:
        return None
    key = override.get_key_element().lstrip("+")
    if not override.is_sweep_override():
        return Choice(text, key, ((text, repr(override.value())),), swept=False)
    if wrong := _too_many(override):
        problems.append(problem(TOO_LARGE, wrong, text, "give fewer values, or split the matrix"))
        return None
    values = _values(override, text, known.get(override.key_or_group, ()))
    if wrong := _wrong(override, values):
        problems.append(problem(CHOICE, wrong, text, "give each value once: key=a,b"))
    return Choice(text, key, values, swept=True)


def _too_many(override: Override) -> str:
    """Report that a sweep has too many values to list; empty if it does not."""
    count = _count(override._value)  # noqa: SLF001 - Hydra can only list them all
    if count is None:
        return "is a range without an end"
    return f"gives {count} values; the limit is {MAX_COMBINATIONS}" if count > MAX_COMBINATIONS else ""


def _count(swept: Any) -> int | None:
    if isinstance(swept, ChoiceSweep):
        return len(swept.list)
    if not isinstance(swept, RangeSweep) or swept.start is None or swept.stop is None:
        return 0
    if not swept.step or not all(map(math.isfinite, (swept.start, swept.stop, swept.step))):
        return None
    steps = (swept.stop - swept.start) / swept.step
    return max(0, math.ceil(steps)) if math.isfinite(steps) else None


def _wrong(override: Override, values: Values) -> str:
    if override.is_interval_sweep():
        return "is an interval, which has infinitely many values"
    if not values:
        return "gives no value"
    return "gives the same value twice" if len({value for _, value in values}) < len(values) else ""


def _values(override: Override, text: str, options: Sequence[str]) -> Values:
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
