"""Queues: a workload that is suspended, or that Kueue or Volcano does not start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.cluster.admission import has, nearest_of, queue_closed, queue_missing
from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.snapshot import (
    NOTHING,
    Object,
    Snapshot,
    allocatable,
    amounts,
    at,
    condition,
    group_of,
    is_device,
    labels,
    name_of,
    owners,
    pod_template,
    requests,
    rows,
    uid_of,
)
from ftc.plan.kubernetes import KUEUE_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

_OVERUSED = re.compile(r"(?:overused|insufficient) (?P<what>[\w./-]+(?:, ?[\w./-]+)*)")


def suspended(snapshot: Snapshot) -> Iterator[Cause]:
    """A Job, JobSet or TrainJob that is suspended, by a person or by Kueue; a VolcanoJob that was aborted."""
    job = snapshot.workload
    if job is None:
        return
    if at(job, "status", "state", "phase") in ("Aborted", "Aborting"):
        text = "The VolcanoJob was aborted: it waits until a person resumes it."
        command = shell("vcctl", "job", "resume", "-n", snapshot.namespace, "-N", snapshot.name)
        yield cause("job-aborted", text, ["status.state.phase is Aborted"], [Remedy("resume it", command=command)])
    queue = labels(job).get(KUEUE_QUEUE)
    if at(job, "spec", "suspend") is not True:
        return
    if queue is not None:
        yield from _kueue(snapshot, queue)
        return
    kind = f"{job['kind'].lower()}" if group_of(job) == "batch" else f"{job['kind'].lower()}.{group_of(job)}"
    patch = '{"spec":{"suspend":false}}'
    command = shell("kubectl", "patch", kind, snapshot.name, "-n", snapshot.namespace, "--type", "merge", "-p", patch)
    text = f"The {job['kind']} is suspended (spec.suspend is true), and no queue resumes it: it waits for a person."
    yield cause("job-suspended", text, [f"no label {KUEUE_QUEUE}"], [Remedy("resume it", command=command)])


def _kueue(snapshot: Snapshot, queue: str) -> Iterator[Cause]:
    local = snapshot.named("LocalQueue", queue)
    workload = _workload(snapshot)
    reserved, admitted = condition(workload, "QuotaReserved"), condition(workload, "Admitted")
    evidence = (
        [f"Workload {name_of(workload)}: {_said(reserved or condition(workload, 'Evicted'))}"] if workload else []
    )
    if local is None and (snapshot.of("LocalQueue") or "doesn't exist" in str(reserved.get("message"))):
        known = snapshot.names("LocalQueue")
        text = f'Kueue holds the job: its LocalQueue "{queue}" does not exist in the namespace{has(queue, known)}.'
        remedies = [
            Remedy("use a LocalQueue that exists", shell(f"cluster.kueue_queue={one}"))
            for one in nearest_of(queue, known)
        ]
        yield cause("kueue-local-queue-missing", text, evidence, remedies)
        return
    stopped = not_admitting(snapshot, local)
    if stopped:
        yield cause("kueue-queue-stopped", stopped, evidence, [Remedy("ask the operator to start the queue")])
    elif workload is None:
        if snapshot.is_old(snapshot.workload):
            text = (
                "Kueue made no Workload for the suspended job: Kueue does not run, or does not manage this kind of job."
            )
            yield cause("kueue-not-running", text, [], [Remedy("ask the operator to look at kueue-controller-manager")])
    elif admitted.get("status") == "True":
        text = "Kueue has admitted the Workload, but the job is still suspended."
        yield cause("kueue-admitted-but-suspended", text, [f"Workload {name_of(workload)}: {_said(admitted)}"])
    else:
        yield _waiting(workload, queue)


def _waiting(workload: Object, queue: str) -> Cause:
    """The words of Kueue about a Workload that waits for quota, or that it evicted."""
    reserved, evicted = condition(workload, "QuotaReserved"), condition(workload, "Evicted")
    checks = [
        row
        for row in rows(workload, "status", "admissionChecks")
        if row.get("state") in ("Pending", "Retry", "Rejected")
    ]
    if reserved.get("status") == "True" and checks:
        name, message = checks[0].get("name"), checks[0].get("message") or "it states no message"
        text = f'Kueue waits for the admission check "{name}": {message}.'
        return cause("kueue-admission-check", text, [_said(reserved)])
    if at(workload, "spec", "active") is False:
        text = f"The Workload {name_of(workload)} is deactivated: {_said(evicted) or 'spec.active is false'}."
        return cause("kueue-workload-inactive", text)
    if evicted.get("status") == "True" and not reserved.get("message"):
        return cause("kueue-evicted", f"Kueue evicted the job: {_said(evicted)}.", [_said(evicted)])
    said = str(reserved.get("message") or "no quota is reserved yet")
    text = f'Kueue holds the job in the LocalQueue "{queue}": {said.rstrip(".")}.'
    remedies = [Remedy("request less, or wait for running jobs to end", "nodes=1")] if "quota" in said else []
    evidence = [f"Workload {name_of(workload)}: {_said(reserved)}", _said(evicted)]
    return cause("kueue-no-quota", text, [one for one in evidence if one], remedies)


def _workload(snapshot: Snapshot) -> Object | None:
    own = {uid_of(snapshot.workload)}
    return next((one for one in snapshot.of("Workload") if own & set(owners(one))), None)


def not_admitting(snapshot: Snapshot, local: Object | None) -> str:
    """A LocalQueue or ClusterQueue that does not admit work, in a sentence."""
    cluster = snapshot.named("ClusterQueue", at(local, "spec", "clusterQueue"))
    for one in (local, cluster):
        policy, active = at(one, "spec", "stopPolicy") or "None", condition(one, "Active")
        if one is not None and (policy != "None" or active.get("status") == "False"):
            why = f"spec.stopPolicy is {policy}" if policy != "None" else _said(active)
            return f'The {one["kind"]} "{name_of(one)}" does not admit work: {why}.'
    wanted = str(at(local, "spec", "clusterQueue") or "")
    if wanted and cluster is None and snapshot.of("ClusterQueue"):
        known = snapshot.names("ClusterQueue")
        return f'The ClusterQueue "{wanted}" of the LocalQueue does not exist{has(wanted, known)}.'
    return ""


def _said(row: Object) -> str:
    return f"{row.get('reason')}: {row.get('message')}" if row else ""


def volcano(snapshot: Snapshot) -> Iterator[Cause]:
    """A PodGroup that Volcano does not let into its queue, and components of Volcano that do not run."""
    job, group = snapshot.workload, snapshot.pod_group
    if job is None or (snapshot.pods and all(at(pod, "spec", "nodeName") for pod in snapshot.pods)):
        return
    queue = _queue(snapshot)
    known = snapshot.named("Queue", queue)
    if queue and known is None and snapshot.of("Queue"):
        yield queue_missing(queue, [_queue_evidence(snapshot, queue)], snapshot)
    elif known is not None and at(known, "status", "state") in ("Closed", "Closing") and not snapshot.pods:
        state = str(at(known, "status", "state"))
        yield queue_closed(queue, state, [f"Queue {queue}: status.state is {state}"], snapshot)
    elif group is not None and at(group, "status", "phase") in (None, "", "Pending"):
        yield from _pending(snapshot, group, known)
    elif group is None and _unseen(snapshot, job):
        text = "Volcano's controllers do not run: the VolcanoJob has neither a status nor a PodGroup."
        yield cause("volcano-controllers-not-running", text, [], [_operator("vc-controller-manager"), _BATCH])


def _unseen(snapshot: Snapshot, job: Object) -> bool:
    """A VolcanoJob of which no controller has taken notice."""
    old = snapshot.is_old(job)
    return old and group_of(job) == "batch.volcano.sh" and not at(job, "status", "state", "phase")


_BATCH = Remedy("compile a batch Job, which needs no Volcano", "-t job")


def _operator(what: str) -> Remedy:
    return Remedy(f"ask the operator to look at {what} in namespace volcano-system")


def _queue(snapshot: Snapshot) -> str:
    """The Volcano queue of a workload; empty if Volcano does not schedule it."""
    found = at(snapshot.pod_group, "spec", "queue") or at(snapshot.workload, "spec", "queue")
    pod = snapshot.pods[0] if snapshot.pods else None
    spec = at(pod, "spec")
    template = spec if isinstance(spec, dict) else pod_template(snapshot.workload)
    annotations = at(pod, "metadata", "annotations") or at(
        snapshot.workload, "spec", "template", "metadata", "annotations"
    )
    if template.get("schedulerName") == "volcano":
        found = found or at(annotations, "scheduling.volcano.sh/queue-name")
    return str(found or "")


def _queue_evidence(snapshot: Snapshot, queue: str) -> str:
    group = (
        "the PodGroup does not exist" if snapshot.pod_group is None else f"PodGroup {name_of(snapshot.pod_group)} waits"
    )
    return f'the pods name the queue "{queue}"; {group}'


def _pending(snapshot: Snapshot, group: Object, queue: Object | None) -> Iterator[Cause]:
    """A PodGroup without resources: the cause is in a Normal event, and the Warning is noise."""
    said = next((one for one in snapshot.messages("Unschedulable", group) if "tasks in gang" not in one), "")
    asked = amounts(group, "spec", "minResources")
    found = _OVERUSED.search(said)
    names = [one.strip() for one in found["what"].split(",")] if found else []
    if "queue resource quota" in said or (queue and _over(asked, queue)):
        yield _queue_too_small(group, queue, said, names or _over(asked, queue or {}))
    elif names:
        yield from _overused(snapshot, group, said, names)
    elif not at(group, "status", "phase") and not snapshot.events(group):
        if snapshot.is_old(group):
            text = "Volcano's scheduler does not run: it has not looked at the PodGroup, so no pod is created."
            evidence = [f"PodGroup {name_of(group)} has neither a phase nor a condition nor an event"]
            yield cause("volcano-scheduler-not-running", text, evidence, [_operator("vc-scheduler"), _BATCH])
    elif said:
        yield cause("podgroup-pending", f"Volcano does not let the PodGroup into its queue: {said}.", [said])


def _over(asked: dict[str, Decimal], queue: Object) -> list[str]:
    """The resources of which a PodGroup needs more than the capability of its queue."""
    most = amounts(queue, "spec", "capability")
    return [name for name, limit in most.items() if asked.get(name, NOTHING) > limit]


def _queue_too_small(group: Object, queue: Object | None, said: str, names: list[str]) -> Cause:
    name = name_of(queue) or str(at(group, "spec", "queue"))
    what = names[0] if names else "resources"
    most, used = at(queue, "spec", "capability", what), at(queue, "status", "allocated", what)
    needs = at(group, "spec", "minResources", what)
    text = f'The Volcano queue "{name}" may use at most {most or "a limited number of"} {what}'
    text += f", and {used} are in use" if used not in (None, "0", 0) else ""
    text += f"; the gang of {at(group, 'spec', 'minMember')} pods needs {needs}."
    remedies = [Remedy("request less", "nodes=1"), Remedy("use another queue, or ask for a larger capability")]
    return cause("queue-capability", text, [f"PodGroup {name_of(group)}: {said or 'phase Pending'}"], remedies)


def _overused(snapshot: Snapshot, group: Object, said: str, names: list[str]) -> Iterator[Cause]:
    """The cluster does not have what the gang needs: a resource does not exist, or others use it."""
    nodes = snapshot.of("Node")
    evidence = [f"PodGroup {name_of(group)}: {said}"]
    for name in names:
        offers = [allocatable(node)[name] for node in nodes if allocatable(node).get(name)]
        needs = amounts(group, "spec", "minResources").get(name)
        if nodes and not offers:
            yield resource_unknown(snapshot, name, evidence)
            return
        total = sum(offers)
        remedies = [Remedy("request less", "nodes=1"), Remedy("wait until running jobs end")]
        if nodes and needs is not None and needs > total:
            text = f"The gang needs {needs} {name}, more than all nodes together offer ({total})."
            yield cause("cluster-too-small", text, evidence, remedies[:1])
            return
        text = f"The gang needs {needs or 'more'} {name}, and not enough are free: "
        text += f"the nodes offer {total}, and other pods use a part." if nodes else "other pods use them."
        yield cause(
            "cluster-full", text, [*evidence, "Volcano creates the pods after it lets the PodGroup in"], remedies
        )
        return


def _requests_slice(snapshot: Snapshot) -> bool:
    """Whether the pods request the memory or the cores of a slice, which another name would not change."""
    asked = requests(at(snapshot.pods[0], "spec") if snapshot.pods else pod_template(snapshot.workload))
    return any("/" in name and not is_device(name) for name in asked)


def resource_unknown(snapshot: Snapshot, name: str, evidence: list[str]) -> Cause:
    """A device resource that no node offers, with those of the same kind that nodes do offer."""
    offered = sorted({one for node in snapshot.of("Node") for one in allocatable(node) if "/" in one})
    domain = [one for one in offered if one.partition("/")[0] == name.partition("/")[0]]
    near = domain or offered
    text = f"The job requests {name}, which no node offers"
    text += f"; the nodes offer {', '.join(near[:4])}." if near else ": the nodes offer no devices."
    remedies = [
        Remedy("use the name that the nodes offer", shell(f"hardware.device.resource={one}"))
        for one in near[:1]
        if not _requests_slice(snapshot)
    ]
    if near and not remedies:
        remedies = [Remedy("choose the option of hardware for these devices; `ftc list hardware` shows all")]
    return cause("resource-unknown", text, evidence, remedies or [Remedy("ask the operator for the device plugin")])
