"""The container that trains, as it comes out, and who limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import containers
from ftc.plan.pod import with_fragments
from ftc.plan.quantity import quantity
from ftc.plan.train import NAME

if TYPE_CHECKING:
    from decimal import Decimal

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec


def train(run: RunPlan) -> Json:
    """The container, with what fragments change in it."""
    body = with_fragments(run)["spec"]
    found: Json = next(container for container in body["containers"] if container["name"] == NAME)
    return found


def limit(run: RunPlan, name: str) -> Decimal:
    """How much of a resource it may have."""
    return quantity(train(run)["resources"]["limits"][name])


def memory_limit_at(spec: JobSpec) -> KeyPath:
    """Where a fragment limits its memory, if one does."""
    found = [
        (*path, "resources", "limits", "memory")
        for path, container in containers(spec)
        if container["name"] == NAME and "memory" in container.get("resources", {}).get("limits", {})
    ]
    return found[-1] if found else ()
