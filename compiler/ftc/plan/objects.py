"""What the object of a job has, of whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def metadata(run: RunPlan, name: str | None) -> Json:
    """The metadata, under a name, or under one that the API server makes of the run's."""
    return {
        **({"name": name} if name else {"generateName": f"{run.name}-"}),
        **({"namespace": run.namespace} if run.namespace else {}),
        "labels": run.labels,
        **({"annotations": run.annotations} if run.annotations else {}),
    }


def lifetime(run: RunPlan) -> Json:
    """How long a finished job is kept, under the name that Kubernetes and Volcano give it."""
    seconds = run.ttl_seconds_after_finished
    return {} if seconds is None else {"ttlSecondsAfterFinished": seconds}
