"""Pods without a node: the words of the scheduler, checked against the nodes."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ftc.cluster.admission import queue_missing
from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.obstacles import amount_of, fixed, obstacle
from ftc.cluster.queues import resource_unknown
from ftc.cluster.snapshot import (
    NOTHING,
    Object,
    Snapshot,
    allocatable,
    at,
    condition,
    group_of,
    is_device,
    labels,
    name_of,
    quoted,
    requests,
    rows,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

_SLICE = Remedy("request a smaller slice, with hardware.device.slices")
# `Origin reason is POD: ` (Volcano) comes before what the pod that is really unschedulable was told.
_ORIGIN = re.compile(r"Origin reason is (?P<pod>[^:\s]+): (?P<rest>.*)", re.DOTALL)
_NODES = re.compile(r"\d+/\d+ nodes are (?:un)?available: (?P<reasons>.*)", re.DOTALL)
_NOISE = re.compile(r"(?:\.? (?:no new claims to deallocate, )?preemption: .*|\. no new claims.*)", re.DOTALL)
_REASON = re.compile(r"(\d+) (.+?)(?=, \d+ |\.?$)", re.DOTALL)
_INSUFFICIENT = re.compile(r"Insufficient (\S+)")
_PORTS = "free ports"


def unscheduled(snapshot: Snapshot) -> Iterator[Cause]:
    """Pods without a node."""
    waiting = [pod for pod in snapshot.pods if not at(pod, "spec", "nodeName") and not _gated(pod)]
    if not waiting or at(waiting[0], "status", "phase") in ("Failed", "Succeeded"):
        return
    pod, said = _told(waiting, snapshot)
    if not said:
        yield from _silent(waiting[0], snapshot)
        return
    reasons = reasons_of(said)
    hami = next(iter(snapshot.messages("FilteringFailed", *waiting)), "")
    evidence = [f"Pod {name_of(pod)}: {said}"]
    if hami:
        yield _hami(pod, hami)
    elif not _about_volumes(said):
        yield from _no_node(pod, reasons, evidence, snapshot)


def _gated(pod: Object) -> bool:
    """A pod that a controller such as Kueue holds back; the queue says why."""
    return bool(rows(pod, "spec", "schedulingGates"))


def _told(waiting: list[Object], snapshot: Snapshot) -> tuple[Object, str]:
    """The pod that is really unschedulable, and what the scheduler says of it."""
    for pod in waiting:
        scheduled = condition(pod, "PodScheduled")
        said = str(scheduled.get("message") or "")
        if scheduled.get("reason") == "Unschedulable" and not _ORIGIN.search(said):
            return pod, said
    for pod in waiting:
        said = str(condition(pod, "PodScheduled").get("message") or "") or next(
            iter(snapshot.messages("FailedScheduling", pod)), ""
        )
        origin = _ORIGIN.search(said)
        named = origin and next((one for one in waiting if name_of(one) == origin["pod"]), None)
        if origin:
            return named or pod, origin["rest"]
        if said and "can possibly be assigned" not in said:
            return pod, said
    return waiting[0], ""


def reasons_of(said: str) -> dict[str, int]:
    """`1 Insufficient cpu, 2 node(s) were unschedulable` as a count for each reason."""
    found = _NODES.search(_NOISE.sub("", said.strip()))
    return {reason.strip(" ."): int(number) for number, reason in _REASON.findall(found["reasons"])} if found else {}


def _about_volumes(said: str) -> bool:
    """`volumes` reads these from the claims themselves."""
    return "persistentvolumeclaim" in said.lower() and not _INSUFFICIENT.search(said)


def _silent(pod: Object, snapshot: Snapshot) -> Iterator[Cause]:
    """Neither a condition nor an event: the scheduler of this name does not look at the pod."""
    waited = snapshot.age(at(pod, "metadata", "creationTimestamp"))
    name = str(at(pod, "spec", "schedulerName") or "default-scheduler")
    queue = str(at(pod, "metadata", "annotations", "scheduling.volcano.sh/queue-name") or "")
    evidence = [f"Pod {name_of(pod)} has neither a PodScheduled condition nor an event of a scheduler"]
    if name == "volcano" and queue and snapshot.of("Queue") and snapshot.named("Queue", queue) is None:
        yield queue_missing(queue, [*evidence, "Volcano cannot make a PodGroup for the pods"], snapshot)
    elif snapshot.is_old(pod) and name == "volcano":
        text = "Volcano's scheduler does not run: no scheduler has looked at the pod."
        remedies = [Remedy("ask the operator to look at vc-scheduler and vc-controller-manager in volcano-system")]
        yield cause(
            "volcano-scheduler-not-running", text, evidence, [*remedies, Remedy("do without Volcano", "-t job")]
        )
    elif snapshot.is_old(pod):
        text = f'No scheduler named "{name}" runs: no scheduler has looked at the pod in {_minutes(waited)}.'
        remedies = [Remedy("drop pod.spec.schedulerName, or name a scheduler that runs")]
        yield cause("scheduler-unknown", text, evidence, remedies)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"


_HAMI = {
    "CardInsufficientMemory": "the device memory that the pod requests",
    "CardInsufficientCore": "the device cores that the pod requests",
    "CardTypeMismatch": "a device of the type that the pod requests",
    "CardUuidMismatch": "the device that the pod names",
    "CardTimeSlicingExhausted": "a free share of a device",
    "CardComputeUnitsExhausted": "free compute units of a device",
    "NodeInsufficientDevice": "enough devices",
    "AllocatedCardsInsufficientRequest": "enough free devices together",
    "NumaNotFit": "the devices on one NUMA node",
    "ExclusiveDeviceAllocateConflict": "a device that no other pod uses",
}


def _hami(pod: Object, said: str) -> Cause:
    """HAMi's reasons (pkg/scheduler/policy and pkg/device/common of HAMi): `2 nodes CardInsufficientMemory(a,b)`."""
    lacks = [words for reason, words in _HAMI.items() if reason in said] or ["a device that fits"]
    asked = {
        name: value
        for container in rows(pod, "spec", "containers")
        for name, value in texts(container, "resources", "limits").items()
        if "/" in name
    }
    devices = ", ".join(f"{name} {value}" for name, value in asked.items())
    text = f"No node has {' and '.join(lacks)} (HAMi): the pod requests {devices}."
    memory = "Memory" in said
    remedies = [_SLICE] if memory else []
    return cause("hami-no-device", text, [f"Pod {name_of(pod)}: {said}"], [*remedies, Remedy("wait until a pod ends")])


def _no_node(pod: Object, reasons: dict[str, int], evidence: list[str], snapshot: Snapshot) -> Iterator[Cause]:
    """Which obstacle keeps the pod from the nodes that have its devices."""
    needs = requests(at(pod, "spec") or {})
    yield impossible(pod, needs, snapshot, evidence, reasons) or _by_message(pod, reasons, evidence, snapshot)


def impossible(
    pod: Object, needs: dict[str, Decimal], snapshot: Snapshot, evidence: list[str], reasons: dict[str, int]
) -> Cause | None:
    """Why no node can take the pod even if no other pod runs; `reasons` are those of the scheduler, if it has any."""
    devices = [name for name in needs if "/" in name]
    nodes = snapshot.of("Node")
    for name in devices:
        if nodes and not any(allocatable(node).get(name) for node in nodes):
            return resource_unknown(snapshot, name, evidence)
    fitting = [node for node in nodes if all(allocatable(node).get(name, NOTHING) >= needs[name] for name in devices)]
    if nodes and devices and not fitting:
        return _too_large(needs, devices, nodes, evidence)
    obstacles = {name_of(node): obstacle(pod, node, needs, snapshot) for node in fitting}
    kinds = Counter(one[0] for one in obstacles.values() if one)
    if fitting and all(obstacles.values()) and (len(kinds) == 1 or not _passing(reasons)):
        kind = max(kinds, key=lambda one: kinds[one])
        return fixed(kind, pod, {name: one for name, one in obstacles.items() if one}, evidence, snapshot)
    return None


def _passing(reasons: dict[str, int]) -> bool:
    """Whether the scheduler names an obstacle that can pass: ports and devices in use."""
    return any(_PORTS in one or (_INSUFFICIENT.search(one) and "/" in one) for one in reasons)


def _too_large(needs: dict[str, Decimal], devices: list[str], nodes: list[Object], evidence: list[str]) -> Cause:
    """Each device exists, but no node has enough of them."""
    name = max(devices, key=lambda one: needs[one])
    most = max(allocatable(node).get(name, NOTHING) for node in nodes)
    text = f"A pod requests {needs[name]} {name}, and no node has more than {most}."
    fewer = Remedy("use fewer devices for each node, and more nodes", f"devices={most}")
    smaller = [] if is_device(name) else [_SLICE]
    remedies = [fewer] if is_device(name) and 1 <= most < needs[name] else smaller
    return cause("devices-more-than-any-node", text, evidence, remedies)


def _by_message(pod: Object, reasons: dict[str, int], evidence: list[str], snapshot: Snapshot) -> Cause:
    """The reasons of the scheduler that the nodes do not show: ports, other pods, resources in use."""
    ports = next((one for one in reasons if _PORTS in one), "")
    if ports:
        taken = [
            str(port["hostPort"])
            for one in rows(pod, "spec", "containers")
            for port in rows(one, "ports")
            if port.get("hostPort")
        ]
        text = f"The host port {' or '.join(taken) or 'of the pod'} is taken by another pod on {reasons[ports]} "
        text += "of the nodes that have room."
        remedies = [
            Remedy("use a port that no other run uses", "master_port=29600"),
            Remedy("do without host ports", "network=pod"),
        ]
        return cause("host-port-taken", text, evidence, remedies)
    lacking = [found[1] for one in reasons for found in [_INSUFFICIENT.search(one)] if found]
    lacking.sort(key=lambda name: ("/" not in name, name != "memory"))
    if lacking:
        return _in_use(pod, lacking[0], reasons, evidence, snapshot)
    shown = "; ".join(f"{count} node(s): {reason}" for reason, count in reasons.items()) or evidence[0]
    return cause("unschedulable", f"The scheduler finds no node for the pod: {shown}.", evidence)


def _in_use(pod: Object, name: str, reasons: dict[str, int], evidence: list[str], snapshot: Snapshot) -> Cause:
    """The resource exists and is taken."""
    if name == "pods":
        text = "The nodes already run as many pods as they may."
        return cause("nodes-full", text, evidence, [Remedy("wait until pods end")])
    needs = requests(at(pod, "spec") or {})
    amount = (
        amount_of(name, needs[name])
        if name in ("cpu", "memory") and name in needs
        else f"{needs.get(name, 'more')} {name}"
    )
    number = reasons.get(f"Insufficient {name}", 0)
    total = len(snapshot.pods)
    fits = [
        one for one in snapshot.pods if "can possibly be assigned" in str(condition(one, "PodScheduled").get("message"))
    ]
    held = [one for one in snapshot.pods if at(one, "spec", "nodeName")]
    text = f"No node has {amount} free for pod {name_of(pod)}: too little is free on {number} node(s)."
    if fits or (total > 1 and snapshot.pod_group is not None):
        text = f"The gang needs {total} nodes with {amount} free; {number} node(s) do not have that much free, "
        text += f"so that only {len(fits)} of its pods could start." if fits else "so that none of its pods starts."
    if held and group_of(snapshot.workload or {}) == "batch" and snapshot.pod_group is None:
        return _half(pod, held, amount, evidence, snapshot)
    return cause("resources-in-use", text, evidence, _smaller(name, needs, total))


def _smaller(name: str, needs: dict[str, Decimal], total: int) -> list[Remedy]:
    found = [Remedy("use fewer nodes", "nodes=1")] if total > 1 else []
    if name in needs and "/" in name and not is_device(name):
        found.append(_SLICE)
    elif is_device(name) and needs.get(name, NOTHING) > 1:
        found.append(Remedy("use fewer devices for each node", f"devices={int(needs[name]) // 2}"))
    if name == "cpu":
        found.append(Remedy("request fewer CPUs for each device", "hardware.cpu_per_device=4"))
    if name == "memory":
        found.append(Remedy("request less memory for each device", "hardware.memory_gib_per_device=32"))
    return [*found, Remedy("wait until running pods end")]


def _half(pod: Object, held: list[Object], amount: str, evidence: list[str], snapshot: Snapshot) -> Cause:
    """A batch Job of which some pods run and wait for the others, which find no node."""
    mine = {name_of(one) for one in snapshot.pods}
    halves: dict[str, set[bool]] = {}
    for one in snapshot.of("Pod"):
        job = labels(one).get("batch.kubernetes.io/job-name") or labels(one).get("job-name")
        if job and name_of(one) not in mine and at(one, "status", "phase") in ("Pending", "Running"):
            halves.setdefault(job, set()).add(bool(at(one, "spec", "nodeName")))
    others = sorted(job for job, states in halves.items() if states == {True, False})
    text = f"{len(held)} of {len(snapshot.pods)} pods hold their devices and wait for {name_of(pod)}, "
    text += f"for which no node has {amount} free: nothing starts the pods of a batch Job together."
    if others:
        text = f"The jobs {quoted([snapshot.name, *others])} each hold a part of the nodes and wait for the rest: "
        text += "nothing starts the pods of a batch Job together."
    remedies = [
        Remedy(
            "delete one of the jobs",
            command=shell("kubectl", "delete", "job", (others or [snapshot.name])[0], "-n", snapshot.namespace),
        ),
        Remedy("start the pods together", "-t volcano"),
        Remedy("start the pods of a batch Job together", "cluster.gang_jobs=true"),
    ]
    return cause("gang-missing", text, evidence, remedies)
