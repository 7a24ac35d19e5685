"""The accelerators that a container asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.accelerators import kinds
from ftc.lint.amounts import whole

if TYPE_CHECKING:
    from ftc.lint.pod_manifest import Container


def asked(container: Container) -> list[str]:
    """The devices that a container asks for, by resource; a limit alone is a request too."""
    return [name for name in {**container.resources.requests, **container.resources.limits} if name in kinds()]


def count(container: Container) -> int | None:
    """How many devices a container has, where one kind of them is asked for in a whole number."""
    names = asked(container)
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return whole(resources[names[0]]) if len(names) == 1 else None
