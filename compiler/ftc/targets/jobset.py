"""A JobSet with the pod: one Indexed Job, whose pods restart together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import jobs
from ftc.plan.jobs import gang, kueue_queue
from ftc.plan.kubernetes import lifetime, metadata
from ftc.plan.merge import merge
from ftc.summary import types
from ftc.summary.types import OfTarget

if TYPE_CHECKING:
    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json

NAME = "jobset"


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of a JobSet."""
    return jobs.bind(run, NAME, "rendezvous_jobset.sh")


def objects(run: BoundRun) -> list[Json]:
    """The JobSet; its controller creates the headless Service by which the pods find each other."""
    spec = jobs.jobset_spec(run, gang(run), run.pod.content)
    made: Json = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": merge(metadata(run, None if run.generate_name else run.name), kueue_queue(run)),
        "spec": {**({"suspend": True} if run.suspend else {}), **lifetime(run), **spec},
    }
    return [made]


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    missing = tuple(types.of_job(run, f"{jobs.JOB}.template"))
    return OfTarget(
        jobs.master(run),
        "index 0",
        jobs.on_failure(run),
        missing,
        ("LocalQueue", run.kueue_queue) if run.kueue_queue else None,
        gang=run.nodes == 1 or run.gang_jobs or run.kueue_queue is not None,
        name_seconds=jobs.NAME_SECONDS,
    )
