"""The chain of causes: from the creation of a workload to the end of its training."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.cluster import admission, containers, queues, scheduling, volumes
from ftc.cluster.cause import Cause, Diagnosis, Remedy, cause, safe, shell
from ftc.cluster.snapshot import Snapshot, at, condition, group_of, name_of, quoted
from ftc.cluster.snapshot import containers as statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In the order in which a workload meets them; the first that finds a cause names the first cause.
CHAIN: tuple[Callable[[Snapshot], Iterator[Cause]], ...] = (
    admission.refused,
    queues.suspended,
    admission.not_created,
    queues.volcano,
    volumes.unbound,
    scheduling.unscheduled,
    containers.lost,
    volumes.not_mounted,
    containers.waiting,
    containers.ended,
)
_FAILED = ("Failed", "Terminated")
_DONE = re.compile(r"ftc: all done: (?P<result>\S+)")


def diagnose(snapshot: Snapshot) -> Diagnosis:
    """Say why the workload of a snapshot does not run, or that nothing is wrong."""
    state = state_of(snapshot)
    return Diagnosis(snapshot.name, snapshot.namespace, state, tuple(_causes(snapshot, state)), snapshot.unseen)


def _causes(snapshot: Snapshot, state: str) -> list[Cause]:
    """The causes in the order of the chain; a cause that two steps find counts once."""
    if state == "completed":
        return []
    if state == "unknown":
        return [_unknown(snapshot)]
    if state == "failed":
        return [*_deadline(snapshot), *containers.ended(snapshot)] or [_without_reason(snapshot)]
    found: dict[tuple[str, str], Cause] = {}
    for step in CHAIN:
        for one in step(snapshot):
            found.setdefault((one.kind, one.text), one)
    return list(found.values()) or list(_not_in_input(snapshot, state))


def _not_in_input(snapshot: Snapshot, state: str) -> Iterator[Cause]:
    """A VolcanoJob that waits, without the objects that would say why."""
    waits = state == "pending" and group_of(snapshot.workload or {}) == "batch.volcano.sh"
    if waits and not any(snapshot.of(kind) for kind in ("PodGroup", "Queue", "Node")):
        text = "The VolcanoJob is pending. What was read has neither a PodGroup, a queue nor a node, and these say why."
        kinds = "vcjob,job,pod,podgroup,queue,pvc,event,node"
        command = shell("kubectl", "get", kinds, "-n", snapshot.namespace, "-o", "json") + " > objects.json"
        yield cause("objects-not-read", text, [], [Remedy("read them too", command=command)])


def state_of(snapshot: Snapshot) -> str:
    """`refused`, `unknown`, `pending`, `running`, `completed` or `failed`."""
    job = snapshot.workload
    if job is None:
        return "refused" if snapshot.refusal else "unknown"
    phase = at(job, "status", "state", "phase")
    if phase == "Completed" or any(condition(job, one).get("status") == "True" for one in ("Complete", "Completed")):
        return "completed"
    if phase in _FAILED or condition(job, "Failed").get("status") == "True":
        return "failed"
    phases = [at(pod, "status", "phase") for pod in snapshot.pods]
    return "running" if phases and all(one in ("Running", "Succeeded") for one in phases) else "pending"


def result(snapshot: Snapshot) -> str:
    """The progress of a job that is well: the place of its result, or the last line of its log."""
    for pod in snapshot.pods:
        for name, _ in statuses(pod):
            done = _DONE.search(snapshot.logs.get(f"{name_of(pod)}.{name}", ""))
            if done:
                return f"the result is in {safe(done['result'])}"
    lines = [line for pod in snapshot.pods[:1] for line in snapshot.logs.get(f"{name_of(pod)}.train", "").splitlines()]
    return f"the last line of its log: {safe(lines[-1])}" if lines else ""


def _unknown(snapshot: Snapshot) -> Cause:
    known = sorted({name_of(one) for kind in ("TrainJob", "JobSet", "Job") for one in snapshot.of(kind)})
    instead = admission.has(snapshot.name, known)
    text = f'The namespace {snapshot.namespace} does not contain a job "{snapshot.name}"{instead}.'
    return cause(
        "job-unknown",
        text,
        [],
        [Remedy("list the jobs", command=shell("kubectl", "get", "vcjob,job", "-n", snapshot.namespace))],
    )


def _deadline(snapshot: Snapshot) -> Iterator[Cause]:
    """A Job that Kubernetes ended at its time limit."""
    failed = condition(snapshot.workload, "Failed")
    if failed.get("reason") == "DeadlineExceeded":
        limit = at(snapshot.workload, "spec", "activeDeadlineSeconds")
        text = f"The Job ran into its time limit: activeDeadlineSeconds is {limit}, and Kubernetes ended it then."
        remedies = [
            Remedy("set a larger activeDeadlineSeconds, or none"),
            Remedy("then resume from the last checkpoint of the run, with train.resume_from_checkpoint"),
        ]
        yield cause("deadline-exceeded", text, [f"Job {snapshot.name}: {failed.get('message')}"], remedies)


def _without_reason(snapshot: Snapshot) -> Cause:
    """A failed job whose pods, and so whose logs, do not exist any more."""
    job = snapshot.workload or {}
    failed = condition(job, "Failed")
    retries = at(job, "status", "retryCount")
    said = f"{failed.get('reason')}: {failed.get('message')}" if failed else f"retryCount is {retries}"
    kind = "VolcanoJob" if group_of(job) == "batch.volcano.sh" else str(job.get("kind"))
    text = f"The {kind} failed ({said.rstrip('.')}), and the pods that could say why do not exist any more."
    logs = [one for one in snapshot.names("Pod") if one.startswith(snapshot.name)]
    shown = f" of {quoted(logs)}" if logs else ""
    return cause("failed-without-reason", text, [], [Remedy(f"look into the logs{shown} in your log collector")])
