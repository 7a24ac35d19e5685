"""Rules on gang scheduling: how many pods a job has, and how many start together."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean
from ftc.manifests.gangs import World, may_be_gang, reads_min_member, unread_groups, world
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run
from ftc.manifests.subjects import MANY, Job
from ftc.manifests.train_jobs import POLICY
from ftc.plan.kubernetes import GROUP_NAME, KUEUE_QUEUE, MIN_MEMBER
from ftc.rules.given import other_schedulers, title
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import POD_TARGETS, UNGANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.manifests.manifest import Task, VolcanoSpec
    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan

# Rules on a spec.


def gang_needs_volcano_1_12(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Volcano gang-schedules a batch Job from 1.12 on.

    An older version creates a PodGroup with minMember 1 for the Job and starts each pod individually.
    Source: volcano-sh/volcano, `scheduling.volcano.sh/group-min-member`.

    Wrong: cluster.gang_jobs=true cluster.volcano=1.11
    Right: cluster.gang_jobs=true cluster.volcano=1.12
    """
    if spec.cluster.gang_jobs and tuple(map(int, spec.cluster.volcano.split("."))) < (1, 12):
        message = f"Volcano {spec.cluster.volcano} does not gang-schedule a {title(run)}"
        yield Finding(("cluster", "gang_jobs"), message, "use Volcano 1.12 or later, or -t volcano")


_DEFAULT_SCHEDULER = "default-scheduler"


def gang_needs_volcano_scheduler(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The Volcano scheduler schedules the gang of a batch Job.

    Another scheduler ignores the PodGroup and starts each pod individually.
    Source: Volcano, pkg/scheduler/plugins/gang.

    Wrong: cluster.gang_jobs=true pod.spec.schedulerName=hami-scheduler
    Right: pod.spec.schedulerName=hami-scheduler
    """
    if not spec.cluster.gang_jobs:
        return
    if spec.cluster.scheduler == _DEFAULT_SCHEDULER:
        message = "does not gang-schedule: it starts each pod individually"
        yield Finding(("cluster", "scheduler"), message, "set the Volcano scheduler, or cluster.gang_jobs=false")
    for path, name in other_schedulers(spec):
        message = _no_gang(name, spec.cluster.scheduler)
        yield Finding(path, message, "remove it, or set cluster.gang_jobs=false")


def _no_gang(scheduler: str, other: str) -> str:
    return f"{scheduler} does not start the gang of {other}"


def pods_start_together(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods of a batch Job, a JobSet or a TrainJob that train together start together.

    The Kubernetes scheduler starts as many pods as fit: two partially started jobs can hold devices and wait for each
    other. Kueue admits the whole object if it has the label of a queue. Volcano creates a PodGroup for a Job with the
    annotation scheduling.volcano.sh/group-min-member (1.12 and later), and reads the name of an existing PodGroup from
    the annotation scheduling.k8s.io/group-name of the pods. Without either its PodGroup requires one pod.
    Source: Kueue, All-or-nothing with ready Pods; Volcano, Gang; Volcano, pkg/controllers/podgroup,
    pkg/scheduler/api/job_info.go (getJobID).

    Wrong: nodes=2
    Right: nodes=2 cluster.kueue_queue=team
    """
    if run.nodes > 1 and not spec.cluster.gang_jobs and not spec.cluster.kueue_queue:
        help_ = "set cluster.kueue_queue=… (Kueue) or cluster.gang_jobs=true (Volcano), or use -t volcano"
        yield Finding(("nodes",), _individual_starts(run.nodes, title(run)), help_)


def _individual_starts(pods: int, what: str) -> str:
    return f"the {pods} pods of a {what} are not gang-scheduled: some may hold devices and wait"


def volcano_job_is_not_suspended(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A Volcano Job cannot be created suspended.

    Its spec does not have a `suspend` field; `vcctl job suspend` suspends a running job.
    Source: Volcano, batch.volcano.sh/v1alpha1.

    Wrong: suspend=true
    Right: suspend=false
    """
    if spec.suspend:
        yield Finding(("suspend",), "a Volcano Job starts when it is created", "use -t job, or suspend=false")


def command_ends_with_its_peers(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A restart of one pod of a batch Job does not restart the others.

    The Job controller recreates only the failed index. The peers must exit too, or the new pod waits for them. The
    processes of LLaMA-Factory exit when the connection to a peer breaks.
    Source: Kubernetes, Jobs (backoffLimit, Indexed completion mode).

    Wrong: nodes=2 restarts=1 launcher=command launcher.command=[python,train.py]
    Right: nodes=2 launcher=command launcher.command=[python,train.py]
    """
    if not spec.trains and run.nodes > 1 and run.restarts:
        message = "a batch Job recreates only the failed pod: your program must exit when a peer fails"
        yield Finding(("restarts",), message, "use -t volcano, which restarts all pods, or restarts=0")


def pods_use_the_job_scheduler(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The pods of a VolcanoJob use the scheduler that starts its gang.

    Only the Volcano scheduler starts all pods of a gang or none. With another, such as the default one, some pods hold
    devices while they wait for the rest.
    Source: Volcano, pkg/scheduler/plugins/gang.

    Wrong: 'pod={spec: {schedulerName: default-scheduler}}'
    Right: cluster.scheduler=volcano-2
    """
    for path, name in other_schedulers(spec):
        help_ = "remove it, or set cluster.scheduler"
        yield Finding(path, _no_gang(name, spec.cluster.scheduler), help_, (("cluster", "scheduler"),))


# Rules on manifests.


_TITLES = {Kind.BATCH: "job", Kind.JOB_SET: "jobset", Kind.TRAIN_JOB: "trainjob"}


def pods_of_manifest_start_together(run: Run) -> Iterator[Finding]:
    """The pods of a manifest that train together on devices are a gang, unless some of them are enough."""
    job, together = run.job, world(run)
    if job.kind not in _TITLES or together.pods < MANY or run.elastic or not together.holds_devices:
        return
    if may_be_gang(together):
        return
    message = _individual_starts(together.pods, POD_TARGETS[_TITLES[job.kind]].title)
    key, place = next(unread_groups(together), ("", None))
    if place is None:
        yield Finding(_number_of_pods(together), message, _ways_to_a_gang(together))
    else:
        help_ = f"Volcano reads the name of the PodGroup from the annotation {GROUP_NAME}, not from {key}"
        help_ = help_ if key != GROUP_NAME else f"write {GROUP_NAME} as an annotation: Volcano does not read the label"
        yield Finding(_number_of_pods(together), message, help_, (place,))


def _ways_to_a_gang(together: World) -> str:
    ways = f"add the label {KUEUE_QUEUE} (Kueue)"
    if together.job.kind is Kind.BATCH and reads_min_member(together.job):
        return f'{ways}, or schedulerName: volcano and the annotation {MIN_MEMBER}: "{together.pods}" on the Job'
    return f"{ways}, or podGroupPolicy to the runtime" if together.job.kind is Kind.TRAIN_JOB else ways


def _number_of_pods(together: World) -> Spot:
    """The place of the number of pods, or else of the spec."""
    job = together.job
    paths: list[KeyPath] = [("trainer", "numNodes"), (POLICY, "numNodes")]
    for crew in together.crews:
        paths += [(*crew.job_path, "parallelism"), (*crew.job_path[:-2], "replicas")]
    counts = ((path, job.object.raw(*path)) for path in paths)
    return job.at(*next((path for path, given in counts if isinstance(given, int) and given >= MANY), ("spec",)))


def task_has_replicas(job: Job) -> Iterator[Finding]:
    """A task sets `replicas`.

    Without `replicas` Volcano silently creates no pods.
    Source: Volcano, batch/v1alpha1 TaskSpec (the default is 0).

    Wrong: tests/corpus/bad/FTC804-no-replicas.yaml
    Right: tests/corpus/good/FTC804-task-with-zero-replicas.yaml
    """
    for index, _ in enumerate(job.volcano.tasks if job.volcano else ()):
        if not job.object.has("spec", "tasks", index, "replicas"):
            message = "the task does not set replicas, so it has 0 pods"
            yield Finding(job.at("spec", "tasks", index), message, "set replicas: 1 or more")


def gang_is_possible(job: Job) -> Iterator[Finding]:
    """A job does not require more pods than it has.

    Volcano's webhook rejects the job (`job 'minAvailable' should not be greater than total replicas in tasks`). A
    `minSuccess` above the total is never reached.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC805-more-pods-than-replicas.yaml
    Right: tests/corpus/good/FTC805-all-of-two-tasks.yaml
    """
    if job.volcano is None or not job.crews:
        return
    for key, wanted in (("minAvailable", job.volcano.min_available), ("minSuccess", job.volcano.min_success)):
        if wanted is not None and job.total is not None and wanted > job.total:
            message = f"{key} is {wanted}, but the tasks have {job.total} pods"
            yield Finding(job.at("spec", key), message, f"set {key}: {job.total}, or remove it")
    for index, task in enumerate(job.volcano.tasks):
        if task.min_available is not None and task.replicas is not None and task.min_available > task.replicas:
            message = f"minAvailable is {task.min_available}, but the task has {task.replicas} pods"
            yield Finding(job.at("spec", "tasks", index, "minAvailable"), message, "remove it")


def gang_is_complete(run: Run) -> Iterator[Finding]:
    """All pods of a distributed training start together, or none.

    With a lower minAvailable some pods start, hold their devices and wait for the others until the rendezvous times
    out. The job also counts as completed after as many successes. A value below the total disables the minimum of each
    task too. It is a warning if no training is recognized in the pods.
    Source: Volcano, pkg/scheduler/plugins/gang, api/job_info.go (CheckTaskValid); issues 2462, 988.

    Wrong: tests/corpus/bad/FTC806-half-a-gang.yaml
    Right: tests/corpus/good/FTC806-elastic.yaml
    """
    job = run.job
    if job.volcano is None or run.apart or run.elastic:
        return
    severity = Severity.ERROR if run.trains else Severity.WARNING
    wanted, total = job.volcano.min_available, _first_wave(job)
    if wanted and job.several and wanted < (total or 0):
        message = f"minAvailable is {wanted}, but the job has {total} pods that wait for each other"
        help_ = f"set minAvailable: {total}, or remove it, so that it is the total"
        yield Finding(job.at("spec", "minAvailable"), message, help_, severity=severity)
    elif wanted == 1 and total == 1 and run.spreads:
        message = "minAvailable is for one pod only, but the script expects several"
        yield Finding(
            job.at("spec", "minAvailable"), message, "remove it, so that it is the total", severity=Severity.NOTE
        )
    yield from _incomplete_tasks(job, job.volcano, severity)


def _first_wave(job: Job) -> int | None:
    """The number of pods in tasks that do not depend on other tasks."""
    tasks = job.volcano.tasks if job.volcano is not None else ()
    counts = [task.replicas for task in tasks if not task.depends_on.name]
    return None if None in counts else sum(count or 0 for count in counts)


def _incomplete_tasks(job: Job, spec: VolcanoSpec, severity: Severity) -> Iterator[Finding]:
    for index, task in enumerate(spec.tasks):
        wanted = task.min_available
        if wanted is not None and task.replicas is not None and wanted < task.replicas and job.several:
            message = f"minAvailable is {wanted}, but the task has {task.replicas} pods that wait for each other"
            yield Finding(job.at("spec", "tasks", index, "minAvailable"), message, "remove it", severity=severity)


def pods_of_manifest_use_the_job_scheduler(job: Job) -> Iterator[Finding]:
    """The pods of a VolcanoJob use a scheduler that starts gangs; those that ftc does not know may do so."""
    if job.volcano is None:
        return
    own = job.volcano.scheduler_name
    gang = own if own and not _starts_no_gangs(own) else "volcano"
    named: list[tuple[KeyPath, str]] = [(("spec", "schedulerName"), own)]
    named += [((*crew.path, "spec", "schedulerName"), crew.template.spec.scheduler_name) for crew in job.crews]
    for path, name in named:
        if _starts_no_gangs(name):
            help_ = "set schedulerName: volcano" if name == _DEFAULT_SCHEDULER else "did you mean 'volcano'?"
            yield Finding(job.at(*path), _no_gang(name, gang), help_)


def _starts_no_gangs(scheduler: str) -> bool:
    """Whether it is the default scheduler, or `volcano` with a spelling mistake."""
    if scheduler in (_DEFAULT_SCHEDULER, "volcano") or not scheduler.isalpha():
        return scheduler == _DEFAULT_SCHEDULER
    return bool(get_close_matches(scheduler, ["volcano"], cutoff=0.7))


def task_dependencies_are_valid(job: Job) -> Iterator[Finding]:
    """The tasks that a task depends on exist, are not circular and do not block the gang.

    The webhook rejects unknown and circular dependencies: `job has dependencies between tasks, but doesn't form a
    directed acyclic graph`. If minAvailable counts all pods, the gang never starts, because Volcano creates dependent
    pods later.
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
            yield Finding(place, f"the job does not have a task '{name}'", did_you_mean(name, tasks))
        if _reaches(job.crews[index].name, tasks):
            yield Finding(place, f"task '{job.crews[index].name}' depends on itself", "break the cycle")
    first, wanted = _first_wave(job), job.volcano.min_available or job.total
    later = any(task.depends_on.name for task in job.volcano.tasks)
    if later and first and wanted is not None and wanted > first:
        given = bool(job.volcano.min_available)
        message = f"{wanted} pods must start together, but only {first} do not depend on other pods"
        help_ = f"set minAvailable: {first}"
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


def partitions_match_replicas(job: Job) -> Iterator[Finding]:
    """The partitions of a task match its replicas, and a topology sets its highest tier once.

    The webhook rejects anything else: `'Replicas' are not equal to TotalPartitions*PartitionSize`; `must not specify
    'highestTierAllowed' and 'highestTierName' in networkTopology simultaneously`.
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
            yield Finding(place, f"{message}, but the task has {task.replicas}")
        least = policy.min_partitions * policy.partition_size
        if least and task.min_available is not None and task.min_available != least:
            message = f"minPartitions requires {least} pods, but minAvailable requires {task.min_available}"
            yield Finding(place, message, "remove minAvailable")
    if set(job.volcano.network_topology) >= {"highestTierAllowed", "highestTierName"}:
        message = "highestTierAllowed and highestTierName are both set"
        yield Finding(job.at("spec", "networkTopology"), message, "keep one")


RULES = (
    Rule("FTC576", "gang-needs-volcano-1-12", gang_needs_volcano_1_12, JobSpec, target=UNGANGED),
    Rule(
        "FTC577",
        "gang-needs-volcano-scheduler",
        gang_needs_volcano_scheduler,
        JobSpec,
        Severity.WARNING,
        target=UNGANGED,
    ),
    Rule(
        "FTC578",
        "missing-gang-scheduling",
        pods_start_together,
        JobSpec,
        Severity.WARNING,
        target=UNGANGED,
        in_manifests=(pods_of_manifest_start_together, Run),
    ),
    Rule("FTC579", "volcano-job-cannot-be-suspended", volcano_job_is_not_suspended, JobSpec, target="volcano"),
    Rule(
        "FTC580", "single-pod-restart-of-command", command_ends_with_its_peers, JobSpec, Severity.WARNING, target="job"
    ),
    Rule(
        "FTC509",
        "pod-needs-job-scheduler",
        pods_use_the_job_scheduler,
        JobSpec,
        Severity.WARNING,
        target="volcano",
        in_manifests=(pods_of_manifest_use_the_job_scheduler, Job),
    ),
    Rule("FTC804", "task-needs-replicas", task_has_replicas, Job),
    Rule("FTC805", "gang-exceeds-replicas", gang_is_possible, Job),
    Rule("FTC806", "incomplete-gang", gang_is_complete, Run),
    Rule("FTC808", "invalid-task-dependency", task_dependencies_are_valid, Job),
    Rule("FTC809", "invalid-partitions-or-topology", partitions_match_replicas, Job),
)
