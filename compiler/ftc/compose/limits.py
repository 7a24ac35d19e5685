"""Limits on the expansion of an override; the size is computed before anything is expanded."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# A matrix is compiled and held in memory as a whole.
MAX_COMBINATIONS = 10_000
# Linux accepts no longer argument. Hydra's parser takes seconds for more pieces (its time grows with the square of a
# list's length), and its recursion crashes the program on deeper nesting.
MAX_LETTERS = 131_072
MAX_PIECES = 2_000
MAX_DEPTH = 64
# As in files: no real number is longer, and Python refuses to parse one of several thousand digits.
MAX_DIGITS = 100
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"', re.DOTALL)
_DIGITS = re.compile(rf"(?<!\w)[0-9][0-9_]{{{MAX_DIGITS},}}(?!\w)")


def beyond(text: str) -> str:
    """Report the limit that an unparsed override exceeds; empty if it exceeds none."""
    if len(text) > MAX_LETTERS:
        return f"has {len(text)} characters; the limit is {MAX_LETTERS}"
    bare = _QUOTED.sub("''", text)
    pieces = len(re.findall(r"\w+|\W", bare))
    if pieces > MAX_PIECES:
        return f"has {pieces} words and signs outside of quotes; the limit is {MAX_PIECES}"
    depth = 0
    for bracket in re.findall(r"[\[({})\]]", bare):
        depth += 1 if bracket in "[({" else -1
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
    if digits := _DIGITS.search(bare):
        return f"has a number of {len(digits[0])} digits; the limit is {MAX_DIGITS}"
    return ""


def too_many(override: Override) -> str:
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
