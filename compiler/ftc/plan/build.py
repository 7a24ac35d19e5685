"""From a spec to the plan of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import fetch, files, names, pod
from ftc.plan.types import RunPlan
from ftc.spec.storage import JobClaim

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def plan(spec: JobSpec) -> RunPlan:
    """The plan of the run; total on a validated spec."""
    name = names.job_name(spec)
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "ftc", **spec.labels}
    fetched = fetch.fetches(spec)
    compiled = files.compiled(spec, fetched)
    carried = (*compiled, *files.scripts(spec, fetched))
    workspace = spec.storage.workspace
    return RunPlan(
        name=name,
        generate_name=spec.naming == "generate",
        namespace=spec.namespace,
        labels=labels,
        annotations=spec.annotations,
        nodes=spec.nodes,
        restarts=spec.restarts,
        ttl_seconds_after_finished=spec.ttl_seconds_after_finished,
        priority_class=spec.cluster.priority_class,
        queue=spec.cluster.queue,
        fetches=fetched,
        files=compiled,
        template=pod.template(spec, fetched, carried, labels),
        fragments=(spec.cluster.pod, spec.hardware.pod, spec.pod),
        job_claim=workspace if isinstance(workspace, JobClaim) else None,
    )
