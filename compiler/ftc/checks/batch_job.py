"""Rules on what a batch Job cannot do as a Volcano Job does, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import fragments
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.spec.launcher import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_NAME_LIMIT = 63
_GENERATED = "-xxxxx"


def job_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of a Job, of its Service and of its pods' hosts have 63 characters at most.

    The Job controller copies the Job's name to a label of each pod and names the host of a pod `<job>-<index>`
    (Kubernetes, pkg/apis/batch/validation, pkg/controller/job): a longer name is refused when the Job is created.

    Wrong: nodes=2 name=a-name-that-is-as-long-as-the-api-server-lets-a-label-be-63-xxx
    Right: nodes=2 name=a-name-that-is-shorter
    """
    added = len(f"-{run.nodes - 1}") if run.nodes > 1 else 0
    name = run.fixed_name if run.nodes > 1 or not run.generate_name else f"{run.name}{_GENERATED}"
    rest = len(name) - len(run.name) + added
    if len(run.name) + rest > _NAME_LIMIT:
        message = f"'{run.name}' has {len(run.name)} characters, and the names made of it {rest} more"
        yield Finding(("name",), message, f"use {_NAME_LIMIT - rest} characters at most: name=…")


def job_has_no_claim(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Several nodes of a batch Job cannot share a claim that lives with it.

    A Job makes no claims; a pod can (an ephemeral volume), and then each pod has one of its own.

    Wrong: nodes=2 storage=job-lifetime storage.workspace.access_mode=ReadWriteMany
    Right: nodes=2 storage=shared
    """
    if run.job_claim and run.nodes > 1:
        message = f"a batch Job has no claim of its own, and each of {run.nodes} pods would get another one"
        yield Finding(("storage", "workspace"), message, "use storage=shared with a claim that exists")


def retry_starts_empty(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that lives with a batch Job lives with its pod.

    Kubernetes deletes the claim of an ephemeral volume with the pod, so the pod that takes its place (a restart, or
    after an eviction) finds no checkpoint (Kubernetes, docs/concepts/storage/ephemeral-volumes).

    Wrong: storage=job-lifetime
    Right: storage=shared
    """
    if run.job_claim and run.nodes == 1:
        message = "is deleted with the pod in a batch Job: a retry starts empty, and the result goes with the Job"
        yield Finding(("storage", "workspace"), message, "use a claim that exists to resume: storage=existing-claim")


def name_is_fixed(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A Job of several nodes and its Service have one name, and both are deleted before a re-run.

    The pods find each other by the Service's name, so it cannot be generated; unless naming is fixed it ends with a
    digest of the spec. The Service outlives the Job: the same spec is created again only after both are deleted
    (`AlreadyExists`).

    Wrong: nodes=2
    Right: nodes=1
    """
    if run.nodes > 1:
        where = f" -n {run.namespace}" if run.namespace else ""
        name = run.fixed_name
        message = f"the Job and its Service are called {name}, because the pods find each other by that name"
        help_ = f"the Service outlives the Job: before a re-run, kubectl delete{where} job,service {name}"
        yield Finding(("nodes",), message, help_)


def index_gives_the_name(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The Job controller names the hosts of an Indexed Job's pods, and the Service their domain.

    With a host name or a subdomain of the user's the address of rank 0 leads nowhere, and every rank waits for it.

    Wrong: nodes=2 pod.spec.subdomain=ranks
    Right: nodes=1 pod.spec.subdomain=ranks
    """
    for path, fragment in fragments(spec) if run.nodes > 1 else ():
        for name in [name for name in ("hostname", "subdomain") if name in fragment.get("spec", {})]:
            yield Finding((*path, "spec", name), "is given to each pod by the Job and its Service", "leave it out")


def gang_needs_volcano(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Volcano starts the pods of a batch Job together from 1.12 on.

    An older one makes a PodGroup with minMember 1 of it and starts each pod by itself (volcano-sh/volcano,
    `scheduling.volcano.sh/group-min-member`).

    Wrong: cluster.gang_jobs=true cluster.volcano=1.11
    Right: cluster.gang_jobs=true cluster.volcano=1.12
    """
    if spec.cluster.gang_jobs and tuple(map(int, spec.cluster.volcano.split("."))) < (1, 12):
        message = f"Volcano {spec.cluster.volcano} starts each pod of a batch Job by itself"
        yield Finding(("cluster", "gang_jobs"), message, "use Volcano 1.12 or later, or -t volcano")


_OF_KUBERNETES = "default-scheduler"


def gang_has_its_scheduler(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The gang of a batch Job is started by Volcano's scheduler alone.

    Another scheduler does not read the PodGroup and starts each pod by itself.

    Wrong: cluster.gang_jobs=true pod.spec.schedulerName=hami-scheduler
    Right: pod.spec.schedulerName=hami-scheduler
    """
    if not spec.cluster.gang_jobs:
        return
    if spec.cluster.scheduler == _OF_KUBERNETES:
        message = "knows nothing of gangs: it starts each pod by itself"
        yield Finding(("cluster", "scheduler"), message, "name Volcano's scheduler, or set cluster.gang_jobs=false")
    for path, fragment in fragments(spec):
        name = fragment.get("spec", {}).get("schedulerName", spec.cluster.scheduler)
        if name != spec.cluster.scheduler:
            message = f"{name} knows nothing of the gang that {spec.cluster.scheduler} starts"
            yield Finding((*path, "spec", "schedulerName"), message, "leave it out, or set cluster.gang_jobs=false")


def pods_start_together(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Something should start all pods of a batch Job or none.

    Kubernetes' own scheduler starts as many as fit: two half-started jobs wait for each other, with their devices.

    Wrong: nodes=2
    Right: nodes=2 cluster.kueue_queue=team
    """
    if run.nodes > 1 and not spec.cluster.gang_jobs and not spec.cluster.kueue_queue:
        message = f"nothing starts the {run.nodes} pods of a batch Job together: some may hold devices and wait"
        help_ = "set cluster.kueue_queue=… (Kueue) or cluster.gang_jobs=true (Volcano), or use -t volcano"
        yield Finding(("nodes",), message, help_)


def volcano_starts_at_once(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A Volcano Job cannot be created suspended.

    Its spec has no such field (Volcano, batch.volcano.sh/v1alpha1); `vcctl job suspend` stops one that runs.

    Wrong: suspend=true
    Right: suspend=false
    """
    if spec.suspend:
        yield Finding(("suspend",), "a Volcano Job starts when it is created", "use -t job, or suspend=false")


def command_waits_in_order(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A restart of one pod of a batch Job does not restart the others.

    The Job controller makes the failed index anew; the peers must end by themselves, or the new one waits for them.
    LLaMA-Factory's processes end when a peer's connection breaks.

    Wrong: nodes=2 restarts=1 launcher=command launcher.command=[python,train.py]
    Right: nodes=2 launcher=command launcher.command=[python,train.py]
    """
    if isinstance(spec.launcher, Command) and run.nodes > 1 and run.restarts:
        message = "a batch Job makes a failed pod anew and leaves its peers: your program must end when a peer does"
        yield Finding(("restarts",), message, "use -t volcano, which restarts all, or restarts=0")


def _labels(spec: JobSpec) -> Iterator[tuple[KeyPath, Mapping[str, str]]]:
    """What the user gives to all pods, or to some."""
    yield ("labels",), spec.labels
    for path, fragment in fragments(spec):
        yield (*path, "metadata", "labels"), fragment.get("metadata", {}).get("labels", {})


_NAMES = ("job-name", "controller-uid")
_OF_THE_CONTROLLER = (*_NAMES, *(f"batch.kubernetes.io/{name}" for name in _NAMES))


def labels_are_the_controllers(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The labels by which a Job finds its pods are not set by the user.

    The Job controller gives them to the Job's pods, and the API server refuses a template that has other values
    (Kubernetes, pkg/apis/batch/validation, validateGeneratedSelector); the Service would be there by then.

    Wrong: labels.job-name=mine
    Right: labels.team=mine
    """
    for where, labels in _labels(spec):
        for name in [name for name in _OF_THE_CONTROLLER if name in labels]:
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
    for where, labels in _labels(spec):
        if _QUEUE in labels:
            help_ = f"write cluster.kueue_queue={labels[_QUEUE]}"
            yield Finding((*where, _QUEUE), "puts each pod into the queue, not the Job alone", help_, at_key=True)


RULES = (
    Rule("FTC571", job_name_fits, target="job", needed=True),
    Rule("FTC572", job_has_no_claim, target="job"),
    Rule("FTC573", retry_starts_empty, Severity.NOTE, target="job"),
    Rule("FTC574", name_is_fixed, Severity.NOTE, target="job"),
    Rule("FTC575", index_gives_the_name, target="job"),
    Rule("FTC576", gang_needs_volcano, target="job"),
    Rule("FTC577", gang_has_its_scheduler, Severity.WARNING, target="job"),
    Rule("FTC578", pods_start_together, Severity.WARNING, target="job"),
    Rule("FTC579", volcano_starts_at_once, target="volcano"),
    Rule("FTC580", command_waits_in_order, Severity.WARNING, target="job"),
    Rule("FTC581", labels_are_the_controllers, target="job"),
    Rule("FTC582", queue_is_asked, Severity.WARNING, target="job"),
    Rule("FTC583", kueue_resumes, Severity.WARNING, target="job"),
    Rule("FTC584", kueue_queues_jobs, Severity.WARNING, target="job"),
)
