"""Kubernetes quantities in manifests, and the accelerators that a container requests."""

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
    """The number that a quantity denotes; None if it is not a quantity."""
    text = "" if value is None else str(value)
    return quantity(text) if len(text) <= _LONGEST and _FORM.fullmatch(text) else None


def whole(value: str | float | None) -> int | None:
    """The quantity as a whole number; None if it is not one."""
    number = amount(value)
    return int(number) if number is not None and number == number.to_integral_value() and abs(number) < MOST else None


def requested_devices(container: Container) -> list[str]:
    """The device resources that a container requests; a limit without a request counts."""
    return [name for name in {**container.resources.requests, **container.resources.limits} if name in kinds()]


def count(container: Container) -> int | None:
    """The number of devices of a container, if it requests a whole number of a single kind."""
    names = requested_devices(container)
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return whole(resources[names[0]]) if len(names) == 1 else None
