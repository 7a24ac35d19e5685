"""The defaults of the API server that all jobs with an ephemeral claim share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.summary.types import Default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun


def of_job(run: BoundRun, template: str = "template") -> Iterator[Default]:
    """The defaults of the object and of the pod (Kubernetes, pkg/apis/core/v1, defaults.go)."""
    body = run.pod.content["spec"]
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the job is kept until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the submitter's current namespace")
    if "priorityClassName" not in body:
        yield Default(f"{template}.spec.priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("ephemeral.volumeClaimTemplate.spec.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in body:
        yield Default(f"{template}.spec.terminationGracePeriodSeconds", "30")
