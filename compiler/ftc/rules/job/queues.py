"""Rules on queues and priorities, and on the labels of a batch Job."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import amount
from ftc.manifests.subjects import Job
from ftc.plan.kubernetes import KUEUE_QUEUE
from ftc.rules.given import Origins, metadata, pods
from ftc.rules.rule import Finding, Rule
from ftc.source.unknown import has_placeholder
from ftc.spec.job import JobSpec
from ftc.targets import KUEUE, UNGANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")


_CONTROLLER_LABELS = (*_NAME_LABELS, "controller-uid", "batch.kubernetes.io/controller-uid")


_SET_BY_JOB = "is set for each pod by the Job"


def no_reserved_job_label(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The user does not set the labels by which a Job selects its pods.

    The API server sets these labels to the name and the uid of the Job, and rejects a template with other values, after
    the Service has been created. A Job with `manualSelector` does not have them.
    Source: Kubernetes, pkg/apis/batch/validation (validateGeneratedSelector).

    Wrong: labels.job-name=mine
    Right: labels.team=mine
    """
    for where, given in metadata(spec, "labels"):
        for name in [name for name in _CONTROLLER_LABELS if name in given]:
            yield Finding((*where, name), _SET_BY_JOB, "remove it", at_key=True)


def volcano_queue_needs_volcano(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A Volcano queue applies to a batch Job only if Volcano schedules it.

    Otherwise the run bypasses the queue and its quota.
    Source: Volcano, Queue.

    Wrong: cluster.queue=team
    Right: cluster.queue=team cluster.gang_jobs=true
    """
    if spec.cluster.queue != "default" and not spec.cluster.gang_jobs and not spec.cluster.kueue_queue:
        message = f"'{spec.cluster.queue}' is a Volcano queue, but Volcano does not schedule this Job"
        yield Finding(("cluster", "queue"), message, "set cluster.gang_jobs=true, or cluster.kueue_queue=… for Kueue")


def no_suspend_with_kueue(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Kueue resumes a Job in its queues.

    Kueue suspends each Job in its queues and resumes it when the quota allows, even if the user suspended it.
    Source: Kueue, docs/tasks/run/jobs.

    Wrong: suspend=true cluster.kueue_queue=team
    Right: cluster.kueue_queue=team
    """
    if spec.suspend and spec.cluster.kueue_queue:
        yield Finding(("suspend",), "Kueue resumes the Job when its queue has quota", "remove one of the two")


def kueue_label_only_on_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only the Job has the label that names a Kueue queue.

    `labels` and fragments also reach the pods. If its pod integration is enabled, Kueue gates each labeled pod as a
    separate workload in addition to the Job.
    Source: kueue.x-k8s.io, docs/tasks/run/plain_pods.

    Wrong: labels={kueue.x-k8s.io/queue-name:team}
    Right: cluster.kueue_queue=team
    """
    for where, given in metadata(spec, "labels"):
        if KUEUE_QUEUE in given:
            help_ = f"set cluster.kueue_queue={given[KUEUE_QUEUE]}"
            yield Finding((*where, KUEUE_QUEUE), "puts each pod into the queue, not only the Job", help_, at_key=True)


_LABEL_LIMIT = 63


def queue_is_valid(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job is in a leaf queue whose name is valid as a label.

    Volcano's webhook rejects the root queue (`can not submit job to root queue`, 1.11 and later). The controller labels
    every pod with the queue: with a name of more than 63 characters the pods cannot be created.
    Source: Volcano, validate/admit_job.go, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: cluster.queue=root
    Right: cluster.queue=team-a
    """
    queue = spec.cluster.queue
    if queue == "root":
        yield Finding(("cluster", "queue"), *_ROOT)
    elif len(queue) > _LABEL_LIMIT:
        message = f"has {len(queue)} characters, but a label has at most {_LABEL_LIMIT}"
        yield Finding(("cluster", "queue"), message, "use a queue with a shorter name")


_ROOT = "is the root queue, which does not accept jobs", "use a queue below it"


def priority_class_is_on_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The priority class is set on the job, not only on its pods.

    Volcano copies the job's priority class to the PodGroup and to pods without one. It orders and preempts jobs by the
    class of the PodGroup, which a class in the pod template does not change.
    Source: Volcano, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: pod.spec.priorityClassName=high
    Right: cluster.priority_class=high
    """
    for path, pod in pods(spec):
        name = pod.get("priorityClassName")
        if name is not None and name != spec.cluster.priority_class:
            yield Finding((*path, "priorityClassName"), _only_on_pods(name), f"set cluster.priority_class={name}")


def _only_on_pods(priority_class: str) -> str:
    return f"{priority_class} applies only to the pods, not to the order of jobs"


def kueue_queue_needs_batch_job(found: Origins) -> Iterator[Finding]:
    """A Kueue queue applies to a batch Job, not to a VolcanoJob.

    Kueue has no integration for VolcanoJobs, so the job would bypass the queue and its quota. If an option of the group
    cluster sets the queue, it is a note, because the option also serves batch Jobs. With `-t volcano -t job` the batch
    Job uses the queue.
    Source: kueue.x-k8s.io, docs/tasks/run.

    Wrong: cluster.kueue_queue=team
    Right: cluster.queue=team
    """
    path = ("cluster", "kueue_queue")
    name = found.spec.cluster.kueue_queue
    if name is not None and not any(one in KUEUE for one in found.targets):
        message = f"{name} is a queue of Kueue, which does not admit VolcanoJobs"
        severity = None if found.is_of_run(path) else Severity.NOTE
        help_ = "compile a batch Job (-t job), or set cluster.queue=…, a queue of Volcano"
        yield Finding(path, message, help_, severity=severity)


# Rules on manifests.


def no_reserved_job_label_in_manifests(job: Job) -> Iterator[Finding]:
    """The pods of a Job do not have the name of another one in their labels; the schema refuses its uid."""
    own = job.metadata.name
    if job.batch is None or has_placeholder(own) or job.object.raw("spec", "manualSelector") is True:
        return
    for name, value in job.batch.template.metadata.labels.items():
        if name in _NAME_LABELS and value != own and not has_placeholder(value):
            place = job.at(*job.crews[0].path, "metadata", "labels", name)
            yield Finding(place, _SET_BY_JOB, "remove it, or use another key", at_key=True)


def queue_is_valid_in_manifests(job: Job) -> Iterator[Finding]:
    """The queue of a VolcanoJob accepts jobs; the schema limits the length of its name."""
    if job.volcano is not None and job.volcano.queue == "root":
        yield Finding(job.at("spec", "queue"), *_ROOT)


def priority_class_is_on_volcano_job(job: Job) -> Iterator[Finding]:
    """A VolcanoJob whose pods have a priority class has one too; classes that differ order the pods of its tasks."""
    if job.volcano is None or job.object.has("spec", "priorityClassName"):
        return
    paths = [(*crew.path, "spec", "priorityClassName") for crew in job.crews]
    given = {path: name for path in paths if (name := job.object.raw(*path)) and isinstance(name, str)}
    if len({*given.values()}) == 1:
        path, name = next(iter(given.items()))
        yield Finding(job.at(*path), _only_on_pods(name), f"set priorityClassName: {name} in the spec of the job")


def gang_fits_into_queue(job: Job) -> Iterator[Finding]:
    """The pods that start together fit into the queue of the job.

    Volcano does not start a gang that exceeds the `capability` of its queue: the job stays pending, and no node that is
    added helps. The rule reads queues of the input.
    Source: Volcano, pkg/scheduler/plugins/proportion and capacity (JobEnqueueableFn).

    Wrong: tests/corpus/bad/FTC715-gang-of-sixteen-devices.yaml
    Right: tests/corpus/good/FTC715-gang-of-eight-devices.yaml
    """
    found = job.scene.queue(job.volcano.queue or "default") if job.volcano is not None else None
    if found is None or job.volcano is None or job.total is None:
        return
    least = job.volcano.min_available or job.total
    manifest, queue = found
    for name, given in queue.spec.capability.items():
        have, need = amount(given), _needed(job, name, least)
        if have is not None and need > have:
            message = f"{least} pods start together with {need.normalize():f} of {name}, but the queue has {given}"
            place = job.at("spec", "queue") if job.object.has("spec", "queue") else job.at("spec")
            help_ = "use another queue, raise its capability, or start fewer pods"
            yield Finding(place, message, help_, related=(manifest.at("spec", "capability", name),))


def _needed(job: Job, name: str, pods: int) -> Decimal:
    """The least amount of a resource that a number of the job's pods requests."""
    each: list[Decimal] = []
    for crew in job.crews:
        resources = [container.resources for container in crew.template.spec.containers]
        asked = [amount(one.requests.get(name, one.limits.get(name))) or Decimal(0) for one in resources]
        each += [sum(asked, Decimal(0))] * min(crew.replicas or 0, pods)
    return sum(sorted(each)[:pods], Decimal(0))


RULES = (
    Rule("FTC715", "gang-exceeds-queue", gang_fits_into_queue, Job),
    Rule(
        "FTC581",
        "reserved-job-label",
        no_reserved_job_label,
        JobSpec,
        target=UNGANGED,
        in_manifests=(no_reserved_job_label_in_manifests, Job),
    ),
    Rule(
        "FTC582",
        "volcano-queue-needs-volcano-scheduler",
        volcano_queue_needs_volcano,
        JobSpec,
        Severity.WARNING,
        target=UNGANGED,
    ),
    Rule("FTC583", "suspend-with-kueue-queue", no_suspend_with_kueue, JobSpec, Severity.WARNING, target=KUEUE),
    Rule("FTC584", "kueue-label-reaches-pods", kueue_label_only_on_job, JobSpec, Severity.WARNING, target=KUEUE),
    Rule("FTC587", "kueue-queue-needs-batch-job", kueue_queue_needs_batch_job, Origins, target="volcano"),
    Rule(
        "FTC521",
        "invalid-queue",
        queue_is_valid,
        JobSpec,
        target="volcano",
        in_manifests=(queue_is_valid_in_manifests, Job),
    ),
    Rule(
        "FTC527",
        "priority-class-on-pods-only",
        priority_class_is_on_job,
        JobSpec,
        Severity.WARNING,
        target="volcano",
        in_manifests=(priority_class_is_on_volcano_job, Job),
    ),
)
