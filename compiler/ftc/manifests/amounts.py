"""Quantities of Kubernetes in manifests, and the accelerators that a container asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.accelerators import kinds
from ftc.plan.quantity import quantity

if TYPE_CHECKING:
    from decimal import Decimal

    from ftc.manifests.manifest import Container

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


def asked(container: Container) -> list[str]:
    """The devices that a container asks for, by resource; a limit alone is a request too."""
    return [name for name in {**container.resources.requests, **container.resources.limits} if name in kinds()]


def count(container: Container) -> int | None:
    """How many devices a container has, where one kind of them is asked for in a whole number."""
    names = asked(container)
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return whole(resources[names[0]]) if len(names) == 1 else None
