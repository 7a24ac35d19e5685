"""Rules on what the cluster changes: a user's setting that does not arrive, or not as it was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import fragments
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

# Volcano 1.9 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).
_VOLCANO = frozenset(
    f"volcano.sh/{name}"
    for name in (
        *("task-index", "task-spec", "job-name", "job-namespace", "queue-name"),
        *("job-version", "job-retry-count", "template-uid"),
    )
) | {"scheduling.k8s.io/group-name"}


def volcano_names_the_pods(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Names, labels and annotations that Volcano gives to a pod are its own.

    Its controller writes them over those of the template (pkg/controllers/job/job_controller_util.go, createJobPod):
    the pod is called `<job>-worker-<index>`, in the namespace of the job.

    Wrong: 'labels={volcano.sh/queue-name: team-a}'
    Right: cluster.queue=team-a
    """
    for path, given in _metadata(spec):
        for key in [key for key in given if key in _VOLCANO]:
            yield Finding((*path, key), "is overwritten by Volcano in each pod", "leave it out")
    for place, fragment in fragments(spec):
        for key in [key for key in ("name", "generateName", "namespace") if key in fragment.get("metadata", {})]:
            help_ = "set namespace" if key == "namespace" else "set name"
            yield Finding((*place, "metadata", key), "is overwritten by Volcano in each pod", help_)


def _metadata(spec: JobSpec) -> Iterator[tuple[KeyPath, Mapping[str, str]]]:
    yield ("labels",), spec.labels
    yield ("hardware", "labels"), spec.hardware.labels
    yield ("annotations",), spec.annotations
    for path, fragment in fragments(spec):
        for field in ("labels", "annotations"):
            yield (*path, "metadata", field), fragment.get("metadata", {}).get(field, {})


def logs_outlive_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that has ended stays long enough for its log to be read.

    With 0 the server deletes the job with its pods the moment it ends, failed or not, and their logs with them.

    Wrong: ttl_seconds_after_finished=0
    Right: ttl_seconds_after_finished=86400
    """
    if spec.ttl_seconds_after_finished == 0:
        message = "deletes the job and its logs the moment it ends, failed or not"
        yield Finding(("ttl_seconds_after_finished",), message, "give a day: 86400")


RULES = (
    Rule("FTC641", volcano_names_the_pods, Severity.NOTE, target="volcano"),
    Rule("FTC642", logs_outlive_the_job, Severity.WARNING),
)
