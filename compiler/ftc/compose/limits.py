"""Limits on what an override expands to; the size is computed before anything is expanded."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# A matrix is compiled and kept in memory as a whole.
MAX_COMBINATIONS = 10_000
# Linux hands over no longer argument. Hydra's parser takes seconds for more pieces (its time grows with the square of a
# list's items), and its recursion ends the program on deeper ones.
MAX_LETTERS = 131_072
MAX_PIECES = 2_000
MAX_DEPTH = 64
# As in files: no number is longer, and Python reads none of several thousand digits.
MAX_DIGITS = 100
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"', re.DOTALL)
_DIGITS = re.compile(rf"(?<!\w)[0-9][0-9_]{{{MAX_DIGITS},}}(?!\w)")


def beyond(text: str) -> str:
    """Report the limits that an unparsed override exceeds; empty if it exceeds none."""
    if len(text) > MAX_LETTERS:
        return f"has {len(text)} letters, and {MAX_LETTERS} are allowed"
    bare = _QUOTED.sub("''", text)
    pieces = len(re.findall(r"\w+|\W", bare))
    if pieces > MAX_PIECES:
        return f"has {pieces} words and signs outside of quotes, and {MAX_PIECES} are allowed"
    depth = 0
    for bracket in re.findall(r"[\[({})\]]", bare):
        depth += 1 if bracket in "[({" else -1
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
    if digits := _DIGITS.search(bare):
        return f"has a number of {len(digits[0])} digits, and {MAX_DIGITS} are allowed"
    return ""


def too_many(override: Override) -> str:
    """Why the values of a sweep are too many to be listed; empty if they are not."""
    count = _count(override._value)  # noqa: SLF001 - Hydra lists them all, and has no name for their number
    if count is None:
        return "is a range without an end"
    return f"gives {count} values, and {MAX_COMBINATIONS} are allowed" if count > MAX_COMBINATIONS else ""


def _count(swept: Any) -> int | None:
    if isinstance(swept, ChoiceSweep):
        return len(swept.list)
    if not isinstance(swept, RangeSweep) or swept.start is None or swept.stop is None:
        return 0
    if not swept.step or not all(map(math.isfinite, (swept.start, swept.stop, swept.step))):
        return None
    steps = (swept.stop - swept.start) / swept.step
    return max(0, math.ceil(steps)) if math.isfinite(steps) else None
