"""The metrics in the log of a trainer, drawn as charts of characters."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAMES = ("loss", "learning_rate", "grad_norm")
# transformers prints a mapping for each logging step, with values as numbers or, from version 5 on, as texts.
_LOGGED = "{'loss': "
_NUMBER = r"'?(?P<number>-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)'?"
_VALUES = {name: re.compile(rf"'{name}': {_NUMBER}[,}}]") for name in NAMES}
# The sum and the difference of such values are numbers, too.
_MOST = 1e300
_BARS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BARS) - 1
_ROWS = 5
_MARGIN = 10


def metrics(lines: Iterable[str]) -> dict[str, list[float]]:
    """The values of each metric in the order of the log; a value that is not a number is left out."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for line in lines:
        _, start, logged = line.partition(_LOGGED)
        for name, pattern in _VALUES.items() if start else ():
            value = pattern.search(f"{start}{logged}")
            if value and abs(float(value["number"])) < _MOST:
                found[name].append(float(value["number"]))
    return {name: values for name, values in found.items() if values}


def charts(found: dict[str, list[float]], columns: int) -> Iterator[str]:
    """A chart for each metric, with its first and its last value."""
    for name, values in found.items():
        yield f"{name}: {values[0]:.4g} -> {values[-1]:.4g}, {len(values)} value{'s' if len(values) > 1 else ''}"
        yield from _chart(_resampled(values, max(columns - _MARGIN - 2, 1)))
        yield ""


def _resampled(values: Sequence[float], columns: int) -> list[float]:
    """As many values as there are columns: each is the mean of those that fall into it."""
    count = min(len(values), columns)
    edges = [len(values) * number // count for number in range(count + 1)]
    parts = [values[start:end] for start, end in pairwise(edges)]
    return [sum(part) / len(part) for part in parts]


def _chart(values: Sequence[float]) -> Iterator[str]:
    low, high = min(values), max(values)
    span = high - low
    levels = [
        round((value - low) / span * (_ROWS * _STEPS - 1)) + 1 if span else _ROWS * _STEPS // 2 for value in values
    ]
    labels = {_ROWS - 1: f"{high:.4g}", 0: f"{low:.4g}"} if span else {_ROWS // 2: f"{high:.4g}"}
    for row in reversed(range(_ROWS)):
        bars = "".join(_BARS[min(max(level - row * _STEPS, 0), _STEPS)] for level in levels)
        yield f"{labels.get(row, ''):>{_MARGIN}} {bars}".rstrip()
