"""Rules on when the pods of a job start: together, at once, again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import other_schedulers
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


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


RULES = (
    Rule("FTC576", gang_needs_volcano, target="job"),
    Rule("FTC577", gang_has_its_scheduler, Severity.WARNING, target="job"),
    Rule("FTC578", pods_start_together, Severity.WARNING, target="job"),
    Rule("FTC579", volcano_starts_at_once, target="volcano"),
    Rule("FTC580", command_waits_in_order, Severity.WARNING, target="job"),
)
