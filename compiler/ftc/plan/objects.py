"""The fields that job objects of every kind share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def metadata(run: RunPlan, name: str | None) -> Json:
    """The metadata, with `name` or, without one, a name that the API server generates."""
    return {
        **({"name": name} if name else {"generateName": f"{run.name}-"}),
        **({"namespace": run.namespace} if run.namespace else {}),
        "labels": run.labels,
        **({"annotations": run.annotations} if run.annotations else {}),
    }


def lifetime(run: RunPlan) -> Json:
    """How long a finished job is kept; Kubernetes and Volcano use the same field."""
    seconds = run.ttl_seconds_after_finished
    return {} if seconds is None else {"ttlSecondsAfterFinished": seconds}
