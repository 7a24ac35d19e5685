"""Rules on the labels of a batch Job, and on the queue that one of them names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import metadata
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_NAMES = ("job-name", "controller-uid")
_OF_THE_CONTROLLER = (*_NAMES, *(f"batch.kubernetes.io/{name}" for name in _NAMES))


def labels_are_the_controllers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The labels by which a Job finds its pods are not set by the user.

    The Job controller gives them to the Job's pods, and the API server refuses a template that has other values
    (Kubernetes, pkg/apis/batch/validation, validateGeneratedSelector); the Service would be there by then.

    Wrong: labels.job-name=mine
    Right: labels.team=mine
    """
    for where, given in metadata(spec, "labels"):
        for name in [name for name in _OF_THE_CONTROLLER if name in given]:
            yield Finding((*where, name), "is given to each pod by the Job", "leave it out", at_key=True)


def queue_is_asked(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The queue of Volcano counts for a batch Job only where Volcano schedules it.

    Otherwise the run passes by the queue and its quota.

    Wrong: cluster.queue=team
    Right: cluster.queue=team cluster.gang_jobs=true
    """
    if spec.cluster.queue != "default" and not spec.cluster.gang_jobs and not spec.cluster.kueue_queue:
        message = f"'{spec.cluster.queue}' is a queue of Volcano, and Volcano does not schedule this Job"
        yield Finding(("cluster", "queue"), message, "set cluster.gang_jobs=true, or cluster.kueue_queue=… for Kueue")


def kueue_resumes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A Job in a queue of Kueue is resumed by Kueue.

    Kueue suspends each Job of its queues and resumes it when there is room, whoever suspended it.

    Wrong: suspend=true cluster.kueue_queue=team
    Right: cluster.kueue_queue=team
    """
    if spec.suspend and spec.cluster.kueue_queue:
        yield Finding(("suspend",), "Kueue resumes the Job when its queue has room", "leave one of the two out")


_QUEUE = "kueue.x-k8s.io/queue-name"


def kueue_queues_jobs(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The label that names a queue of Kueue belongs to the Job alone.

    `labels` and fragments reach the pods too, and Kueue gates each labelled pod as a workload of its own beside the
    Job, where its pod integration is on (kueue.x-k8s.io, docs/tasks/run/plain_pods).

    Wrong: labels={kueue.x-k8s.io/queue-name:team}
    Right: cluster.kueue_queue=team
    """
    for where, given in metadata(spec, "labels"):
        if _QUEUE in given:
            help_ = f"write cluster.kueue_queue={given[_QUEUE]}"
            yield Finding((*where, _QUEUE), "puts each pod into the queue, not the Job alone", help_, at_key=True)


RULES = (
    Rule("FTC581", labels_are_the_controllers, target="job"),
    Rule("FTC582", queue_is_asked, Severity.WARNING, target="job"),
    Rule("FTC583", kueue_resumes, Severity.WARNING, target="job"),
    Rule("FTC584", kueue_queues_jobs, Severity.WARNING, target="job"),
)
