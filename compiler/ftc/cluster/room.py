"""Nodes for the pods: one that has the devices of a pod, and enough of them for all pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.cluster.before import Before, Problem
from ftc.cluster.cause import Remedy, cause
from ftc.cluster.obstacles import amount_of, obstacle
from ftc.cluster.scheduling import impossible
from ftc.cluster.snapshot import NOTHING, allocatable, at, is_device, name_of, requests, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from ftc.cluster.before import Pods
    from ftc.cluster.snapshot import Object, Snapshot

# Obstacles that pass without a change of the job.
_PASSING = ("cordoned", "not-ready")
# The kubelet's default for the pods of a node.
_PODS = 110


def room(before: Before) -> Iterator[Problem]:
    """The nodes could run all pods if no other pod ran."""
    for pods in before.pods if before.seen.of("Node") else ():
        pod, seen = _pod(before, pods)
        needs = _needs(pods)
        about = impossible(pod, needs, seen, [], {})
        resources = (*pods.place, "spec", "containers", 0, "resources", "limits")
        if about is not None and about.kind not in ("nodes-cordoned", "nodes-not-ready"):
            yield Problem(about, resources, _KEYS.get(about.kind, ()))
        elif about is None:
            yield from _too_few(pods, _places(pod, needs, seen))


# The keys of the spec that decide; for others the field of the manifest shows the key.
_KEYS: dict[str, tuple[str, ...]] = {
    "resource-unknown": ("hardware", "device", "resource"),
    "devices-more-than-any-node": ("devices",),
    "node-selector": ("pod", "spec", "nodeSelector"),
    "taint-not-tolerated": ("pod", "spec", "tolerations"),
    "volume-elsewhere": ("storage", "workspace", "claim"),
}


def _pod(before: Before, pods: Pods) -> tuple[Object, Snapshot]:
    """The pod, which tolerates the taints of its devices: some clusters add that (ExtendedResourceToleration)."""
    pod, seen = before.with_pod(pods)
    added = [{"key": name, "operator": "Exists"} for name in requests(pods.spec) if "/" in name]
    spec = {**pods.spec, "tolerations": [*rows(pods.spec, "tolerations"), *added]}
    return {**pod, "spec": spec}, seen


def _needs(pods: Pods) -> dict[str, Decimal]:
    """The requests of a pod that nodes show: only a scheduler counts the sizes of slices."""
    return {name: value for name, value in requests(pods.spec).items() if "/" not in name or is_device(name)}


def _places(pod: Object, needs: dict[str, Decimal], seen: Snapshot) -> dict[str, int]:
    """How many such pods each node could run if no other pod ran there."""
    fitting = {name_of(node): allocatable(node) for node in seen.of("Node") if _open(pod, node, needs, seen)}
    return {name: _times(pod, offers, needs) for name, offers in fitting.items()}


def _open(pod: Object, node: Object, needs: dict[str, Decimal], seen: Snapshot) -> bool:
    found = obstacle(pod, node, needs, seen)
    return found is None or found[0] in _PASSING


def _times(pod: Object, offers: dict[str, Decimal], needs: dict[str, Decimal]) -> int:
    """How many pods fit into what a node offers; a port of the host is used once."""
    times = [int(offers[name] // value) for name, value in needs.items() if value and name in offers]
    times.append(int(offers.get("pods", _PODS)))
    lacks = any(value and name not in offers for name, value in needs.items() if "/" in name)
    most = 0 if lacks else max(min(times), 0)
    ports = [port for one in rows(pod, "spec", "containers") for port in rows(one, "ports") if port.get("hostPort")]
    return min(most, 1) if ports else most


def _too_few(pods: Pods, places: dict[str, int]) -> Iterator[Problem]:
    total = sum(places.values())
    if total >= pods.together:
        return
    asked = _shown(_needs(pods))
    text = f"The job needs {pods.together} pods with {asked} each, and all nodes together have room for {total}."
    remedies = [Remedy("use fewer nodes", f"nodes={total}")] if total else []
    evidence = [f"node {name}: {count}" for name, count in places.items() if count][:5]
    found = cause("cluster-too-small", text, evidence, [*remedies, Remedy("use a cluster with more nodes")])
    count = (*pods.place[:-1], "replicas" if "tasks" in pods.place else "parallelism")
    yield Problem(found, count, ("nodes",))


def _shown(needs: dict[str, Decimal]) -> str:
    found = [f"{value.normalize():f} {name}" for name, value in needs.items() if "/" in name]
    return ", ".join(found) or ", ".join(amount_of(name, needs[name]) for name in ("cpu", "memory") if name in needs)


def waits(before: Before) -> Iterator[str]:
    """A sentence if other pods use what the job needs: it is created, and waits."""
    if "Pod" not in before.listed or not before.seen.of("Node"):
        return
    used = _used(before.seen)
    for pods in before.pods:
        pod, seen = _pod(before, pods)
        needs = _needs(pods)
        free = 0
        for node in seen.of("Node"):
            if obstacle(pod, node, needs, seen) is None:
                taken = used.get(name_of(node), {})
                left = {name: value - taken.get(name, NOTHING) for name, value in allocatable(node).items()}
                free += _times(pod, left, needs)
        if free < pods.together:
            yield (
                f"{_shown(needs)} for each of {pods.together} pods: the nodes have room for {free} of them now, "
                "and the job waits for the rest"
            )


def _used(seen: Snapshot) -> dict[str, dict[str, Decimal]]:
    """The requests of the pods on each node."""
    found: dict[str, dict[str, Decimal]] = {}
    for pod in seen.of("Pod"):
        node = found.setdefault(str(at(pod, "spec", "nodeName") or ""), {})
        for name, value in requests(at(pod, "spec") or {}).items():
            node[name] = node.get(name, NOTHING) + value
    return found
