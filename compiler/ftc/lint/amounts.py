"""Quantities of Kubernetes as hand-written manifests have them: what is none is None."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.plan.quantity import quantity

if TYPE_CHECKING:
    from decimal import Decimal

_FORM = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?")
_LONGEST = 40
MOST = 1_000_000


def amount(value: str | float | None) -> Decimal | None:
    """The number that a quantity is, where it is one."""
    text = "" if value is None else str(value)
    return quantity(text) if len(text) <= _LONGEST and _FORM.fullmatch(text) else None


def whole(value: str | float | None) -> int | None:
    """The number of things that a quantity counts, where it counts things."""
    number = amount(value)
    return int(number) if number is not None and number == number.to_integral_value() and abs(number) < MOST else None
