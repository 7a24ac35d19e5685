"""Rules on gang scheduling: how many pods there are, and how many start together."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean
from ftc.manifests.steps import Run
from ftc.manifests.subjects import Job
from ftc.rules.given import other_schedulers
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import Task, VolcanoSpec
    from ftc.plan.types import RunPlan

# Rules on a spec.


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
    for path, name in other_schedulers(spec):
        message = f"{name} knows nothing of the gang that {spec.cluster.scheduler} starts"
        yield Finding(path, message, "leave it out, or set cluster.gang_jobs=false")


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
    if not spec.trains and run.nodes > 1 and run.restarts:
        message = "a batch Job makes a failed pod anew and leaves its peers: your program must end when a peer does"
        yield Finding(("restarts",), message, "use -t volcano, which restarts all, or restarts=0")


def scheduler_knows_the_gang(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The pods go to the scheduler that the job goes to.

    Only Volcano's own scheduler starts all pods or none; with another, some pods hold devices while they wait for the
    rest.

    Wrong: 'pod={spec: {schedulerName: default-scheduler}}'
    Right: cluster.scheduler=volcano-2
    """
    for path, name in other_schedulers(spec):
        message = f"{name} knows nothing of the gang that {spec.cluster.scheduler} starts"
        help_ = "leave it out, or set cluster.scheduler"
        yield Finding(path, message, help_, (("cluster", "scheduler"),))


# Rules on manifests.


def tasks_have_pods(job: Job) -> Iterator[Finding]:
    """A task says how many pods it has.

    Without `replicas` Volcano makes none, and says nothing.
    Source: Volcano, batch/v1alpha1 TaskSpec, where the default is 0.

    Wrong: tests/corpus/bad/FTC804-no-replicas.yaml
    Right: tests/corpus/good/FTC804-task-of-no-pods.yaml
    """
    for index, _ in enumerate(job.volcano.tasks if job.volcano else ()):
        if not job.object.has("spec", "tasks", index, "replicas"):
            message = "the task has no 'replicas', and makes no pods"
            yield Finding(job.at("spec", "tasks", index), message, "write replicas: 1 or more")


def gang_is_possible(job: Job) -> Iterator[Finding]:
    """No more pods are waited for than there are.

    Volcano's webhook refuses the job: job 'minAvailable' should not be greater than total replicas in tasks; a
    `minSuccess` above it is never reached.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC805-more-than-there-are.yaml
    Right: tests/corpus/good/FTC805-all-of-two-tasks.yaml
    """
    if job.volcano is None or not job.crews:
        return
    for key, wanted in (("minAvailable", job.volcano.min_available), ("minSuccess", job.volcano.min_success)):
        if wanted is not None and job.total is not None and wanted > job.total:
            message = f"{key} is {wanted}, and the tasks have {job.total} pods"
            yield Finding(job.at("spec", key), message, f"write {key}: {job.total}, or leave it out")
    for index, task in enumerate(job.volcano.tasks):
        if task.min_available is not None and task.replicas is not None and task.min_available > task.replicas:
            message = f"minAvailable is {task.min_available}, and the task has {task.replicas} pods"
            yield Finding(job.at("spec", "tasks", index, "minAvailable"), message, "leave it out")


def gang_is_whole(run: Run) -> Iterator[Finding]:
    """All pods of a distributed training start together, or none.

    With fewer, some start, hold their devices and wait for the others until the rendezvous times out; and a job counts
    as completed with as many successes. A number below the total also switches the minimum of each task off.
    Source: Volcano, pkg/scheduler/plugins/gang and api/job_info.go (CheckTaskValid); issues 2462, 988.

    Wrong: tests/corpus/bad/FTC806-half-a-gang.yaml
    Right: tests/corpus/good/FTC806-elastic.yaml
    """
    job = run.job
    if job.volcano is None or run.apart or run.elastic:
        return
    severity = Severity.ERROR if run.trains else Severity.WARNING
    wanted, total = job.volcano.min_available, _first_wave(job)
    if wanted and job.several and wanted < (total or 0):
        message = f"minAvailable is {wanted}, and the job has {total} pods that wait for each other"
        help_ = f"write minAvailable: {total}, or leave it out: then it is the sum"
        yield Finding(job.at("spec", "minAvailable"), message, help_, severity=severity)
    elif wanted == 1 and total == 1 and run.spreads:
        message = "minAvailable is right for one pod only, and the script is written for several"
        yield Finding(
            job.at("spec", "minAvailable"), message, "leave it out: then it is the sum", severity=Severity.NOTE
        )
    yield from _tasks_below(job, job.volcano, severity)


def _first_wave(job: Job) -> int | None:
    """How many pods there are at first: those of tasks that depend on no others."""
    tasks = job.volcano.tasks if job.volcano is not None else ()
    counts = [task.replicas for task in tasks if not task.depends_on.name]
    return None if None in counts else sum(count or 0 for count in counts)


def _tasks_below(job: Job, spec: VolcanoSpec, severity: Severity) -> Iterator[Finding]:
    for index, task in enumerate(spec.tasks):
        wanted = task.min_available
        if wanted is not None and task.replicas is not None and wanted < task.replicas and job.several:
            message = f"minAvailable is {wanted}, and the task has {task.replicas} pods that wait for each other"
            yield Finding(job.at("spec", "tasks", index, "minAvailable"), message, "leave it out", severity=severity)


def scheduler_knows_the_gang_in_manifests(job: Job) -> Iterator[Finding]:
    """A VolcanoJob's pods are started by Volcano's scheduler.

    Another one starts each pod for itself; nobody waits for the rest of the gang.
    Source: Volcano, pkg/scheduler/plugins/gang.

    Wrong: tests/corpus/bad/FTC807-default-scheduler.yaml
    Right: tests/corpus/good/FTC807-no-scheduler-named.yaml
    """
    if job.volcano is None:
        return
    named: list[tuple[KeyPath, str]] = [(("spec", "schedulerName"), job.volcano.scheduler_name)]
    named += [((*crew.path, "spec", "schedulerName"), crew.template.spec.scheduler_name) for crew in job.crews]
    for path, name in named:
        if name == "default-scheduler":
            yield Finding(job.at(*path), f"{name} knows nothing of gangs", "write schedulerName: volcano")
        elif name != "volcano" and name.isalpha() and get_close_matches(name, ["volcano"], cutoff=0.7):
            yield Finding(job.at(*path), f"no scheduler is called '{name}'", "did you mean 'volcano'?")


def dependencies_lead_somewhere(job: Job) -> Iterator[Finding]:
    """A task depends on tasks of the job, not in a circle, and the gang does not wait for what comes later.

    The webhook refuses the first two: job has dependencies between tasks, but doesn't form a directed acyclic graph.
    A gang of all pods never starts, because the later ones are made when the earlier ones run.
    Source: Volcano, validate/admit_job.go; issues 2944, 2226.

    Wrong: tests/corpus/bad/FTC808-gang-with-dependency.yaml
    Right: tests/corpus/good/FTC808-gang-of-the-first-wave.yaml
    """
    if job.volcano is None:
        return
    tasks = {crew.name: task for crew, task in zip(job.crews, job.volcano.tasks, strict=True)}
    for index, task in enumerate(job.volcano.tasks):
        place = job.at("spec", "tasks", index, "dependsOn")
        for name in [name for name in task.depends_on.name if name not in tasks]:
            yield Finding(place, f"the job has no task '{name}'", did_you_mean(name, tasks))
        if _reaches(job.crews[index].name, tasks):
            yield Finding(place, f"task '{job.crews[index].name}' waits for itself", "break the circle")
    first, wanted = _first_wave(job), job.volcano.min_available or job.total
    later = any(task.depends_on.name for task in job.volcano.tasks)
    if later and first and wanted is not None and wanted > first:
        given = bool(job.volcano.min_available)
        message = f"{wanted} pods must start together, and only {first} depend on no others"
        help_ = f"write minAvailable: {first}"
        yield Finding(job.at("spec", "minAvailable") if given else job.at("spec"), message, help_)


def _reaches(name: str, tasks: dict[str, Task]) -> bool:
    waiting, seen = list(tasks[name].depends_on.name), set[str]()
    while waiting:
        current = waiting.pop()
        if current == name:
            return True
        if current in tasks and current not in seen:
            seen.add(current)
            waiting += tasks[current].depends_on.name
    return False


def partitions_add_up(job: Job) -> Iterator[Finding]:
    """A task's partitions hold its pods, and a topology names its highest tier in one way.

    The webhook refuses the rest: 'Replicas' are not equal to TotalPartitions*PartitionSize; must not specify
    'highestTierAllowed' and 'highestTierName' in networkTopology simultaneously.
    Source: Volcano, validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC809-partitions-too-few.yaml
    Right: tests/corpus/good/FTC809-partitions-of-two.yaml
    """
    if job.volcano is None:
        return
    for index, task in enumerate(job.volcano.tasks):
        policy, place = task.partition_policy, job.at("spec", "tasks", index, "partitionPolicy")
        if policy is None or task.replicas is None:
            continue
        held = policy.total_partitions * policy.partition_size
        if held != task.replicas:
            message = f"{policy.total_partitions} partitions of {policy.partition_size} hold {held} pods"
            yield Finding(place, f"{message}, and the task has {task.replicas}")
        least = policy.min_partitions * policy.partition_size
        if least and task.min_available is not None and task.min_available != least:
            message = f"minPartitions asks for {least} pods, and minAvailable for {task.min_available}"
            yield Finding(place, message, "leave minAvailable out")
    if set(job.volcano.network_topology) >= {"highestTierAllowed", "highestTierName"}:
        message = "highestTierAllowed and highestTierName are both given"
        yield Finding(job.at("spec", "networkTopology"), message, "keep one")


RULES = (
    Rule("FTC576", "gang-needs-volcano-1-12", gang_needs_volcano, JobSpec, target="job"),
    Rule("FTC577", "gang-needs-volcano-scheduler", gang_has_its_scheduler, JobSpec, Severity.WARNING, target="job"),
    Rule("FTC578", "missing-gang-scheduling", pods_start_together, JobSpec, Severity.WARNING, target="job"),
    Rule("FTC579", "volcano-job-cannot-be-suspended", volcano_starts_at_once, JobSpec, target="volcano"),
    Rule("FTC580", "command-needs-ordered-restart", command_waits_in_order, JobSpec, Severity.WARNING, target="job"),
    Rule(
        "FTC509",
        "pod-needs-job-scheduler",
        scheduler_knows_the_gang,
        JobSpec,
        Severity.WARNING,
        target="volcano",
    ),
    Rule("FTC804", "task-needs-replicas", tasks_have_pods, Job),
    Rule("FTC805", "gang-not-possible", gang_is_possible, Job),
    Rule("FTC806", "incomplete-gang", gang_is_whole, Run, Severity.WARNING),
    Rule("FTC807", "volcano-job-needs-volcano-scheduler", scheduler_knows_the_gang_in_manifests, Job, Severity.WARNING),
    Rule("FTC808", "invalid-task-dependency", dependencies_lead_somewhere, Job),
    Rule("FTC809", "partitions-differ-from-replicas", partitions_add_up, Job),
)
