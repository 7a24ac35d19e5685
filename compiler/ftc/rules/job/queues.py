"""Rules on queues and priorities, and on the labels of a batch Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.subjects import Job
from ftc.rules.given import metadata, pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


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


_LABEL_LIMIT = 63


def queue_takes_jobs(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Jobs go to a leaf queue whose name fits a label.

    Volcano's webhook says `can not submit job to root queue` (1.11 and later), and its controller labels every pod with
    the queue (pkg/controllers/job/job_controller_util.go): a label has 63 characters, and longer ones keep the pods
    from being made.

    Wrong: cluster.queue=root
    Right: cluster.queue=team-a
    """
    queue = spec.cluster.queue
    if queue == "root":
        yield Finding(("cluster", "queue"), "is the root queue, which takes no jobs", "name a queue below it")
    elif len(queue) > _LABEL_LIMIT:
        message = f"has {len(queue)} characters, and the label of the pods takes {_LABEL_LIMIT}"
        yield Finding(("cluster", "queue"), message, "name a queue with a shorter name")


def priority_is_of_the_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The priority is the job's, not the pods' alone.

    Volcano copies the job's priority class to the PodGroup and to pods that have none (createJobPod); it orders and
    preempts jobs by that of the PodGroup, which a class in the pod's template does not reach.

    Wrong: pod.spec.priorityClassName=high
    Right: cluster.priority_class=high
    """
    for path, pod in pods(spec):
        name = pod.get("priorityClassName")
        if name is not None and name != spec.cluster.priority_class:
            message = f"the job is ordered by {spec.cluster.priority_class or 'no priority class'}, not by {name}"
            yield Finding((*path, "priorityClassName"), message, f"set cluster.priority_class={name}")


# Rules on manifests.


def queue_takes_jobs_in_manifests(job: Job) -> Iterator[Finding]:
    """A job goes to a queue that takes jobs.

    The root of the queues does not: can not submit job to root queue.
    Source: Volcano, validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC818-root-queue.yaml
    Right: tests/corpus/good/FTC818-queue-of-a-team.yaml
    """
    if job.volcano is not None and job.volcano.queue == "root":
        yield Finding(job.at("spec", "queue"), "queue root takes no jobs", "name one below it: default")


RULES = (
    Rule("FTC581", "reserved-job-label", labels_are_the_controllers, JobSpec, target="job"),
    Rule("FTC582", "volcano-queue-needs-volcano-scheduler", queue_is_asked, JobSpec, Severity.WARNING, target="job"),
    Rule("FTC583", "suspend-with-kueue-queue", kueue_resumes, JobSpec, Severity.WARNING, target="job"),
    Rule("FTC584", "kueue-label-reaches-pods", kueue_queues_jobs, JobSpec, Severity.WARNING, target="job"),
    Rule("FTC521", "invalid-queue", queue_takes_jobs, JobSpec, target="volcano"),
    Rule("FTC527", "priority-class-on-pods-only", priority_is_of_the_job, JobSpec, Severity.WARNING, target="volcano"),
    Rule("FTC818", "unusable-queue", queue_takes_jobs_in_manifests, Job),
)
