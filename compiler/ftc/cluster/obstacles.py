"""Obstacles between a pod and a node, whatever runs there: taints, labels, volumes and the size of the node."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ftc.cluster.cause import Cause, Remedy, cause, shell
from ftc.cluster.snapshot import (
    NOTHING,
    Object,
    Snapshot,
    allocatable,
    at,
    claims,
    condition,
    devices,
    labels,
    name_of,
    quoted,
    requests,
    rows,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The obstacles of the node itself show these taints too.
_TAINTS_OF_NODES = (
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
)


def obstacle(pod: Object, node: Object, needs: dict[str, Decimal], snapshot: Snapshot) -> tuple[str, Any] | None:
    """The kind of the first obstacle, and its detail; None if nothing but other pods keeps the pod from the node."""
    checks: tuple[tuple[str, Any], ...] = (
        ("cordoned", at(node, "spec", "unschedulable") is True),
        ("not-ready", _not_ready_reason(node)),
        ("taint", next((one for one in rows(node, "spec", "taints") if not _tolerated(one, pod)), None)),
        ("selector", not _selected(pod, node)),
        ("volume-elsewhere", _elsewhere(pod, node, snapshot)),
        ("too-large", next((name for name in _SIZES if needs.get(name, 0) > allocatable(node).get(name, _ANY)), None)),
    )
    return next(((kind, detail) for kind, detail in checks if detail), None)


_SIZES = ("cpu", "memory", "ephemeral-storage")
_ANY = Decimal("1E30")


def _not_ready_reason(node: Object) -> str:
    ready = condition(node, "Ready")
    return str(ready.get("reason")) if ready.get("status") in ("False", "Unknown") else ""


def _tolerated(taint: Object, pod: Object) -> bool:
    if taint.get("effect") == "PreferNoSchedule" or taint.get("key") in _TAINTS_OF_NODES:
        return True
    return any(
        one.get("key") in (None, "", taint.get("key"))
        and one.get("effect") in (None, "", taint.get("effect"))
        and (one.get("operator") == "Exists" or (one.get("value") or "") == (taint.get("value") or ""))
        for one in rows(pod, "spec", "tolerations")
    )


def _selected(pod: Object, node: Object) -> bool:
    """Whether a node has the labels that the pod requires."""
    selector = texts(pod, "spec", "nodeSelector")
    required = at(pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return all(labels(node).get(k) == v for k, v in selector.items()) and _terms_match(required, node)


def _terms_match(selector: Any, node: Object) -> bool:
    terms = rows(selector, "nodeSelectorTerms")
    return not terms or any(
        all(_expression(one, labels(node)) for one in rows(term, "matchExpressions"))
        and all(_expression(one, {"metadata.name": name_of(node)}) for one in rows(term, "matchFields"))
        for term in terms
    )


def _expression(one: Object, known: dict[str, str]) -> bool:
    """One requirement of a node selector; comparisons of numbers count as met."""
    value, values = known.get(str(one.get("key"))), one.get("values")
    match one.get("operator"):
        case "In":
            return isinstance(values, list) and value in values
        case "NotIn":
            return not isinstance(values, list) or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return True


def _elsewhere(pod: Object, node: Object, snapshot: Snapshot) -> str:
    """A claim of the pod whose volume this node cannot reach."""
    for name in claims(pod):
        claim = snapshot.named("PersistentVolumeClaim", name)
        volume = snapshot.named("PersistentVolume", at(claim, "spec", "volumeName"))
        if volume is not None and not _terms_match(at(volume, "spec", "nodeAffinity", "required"), node):
            return name
    return ""


def fixed(kind: str, pod: Object, obstacles: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:
    """An obstacle that does not pass by waiting; `obstacles` has one for each node with the devices."""
    ours = {name: detail for name, (one, detail) in obstacles.items() if one == kind}
    return _FIXED[kind](pod, ours, evidence, snapshot)


def _cordoned(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:  # noqa: ARG001
    text = f"{_nodes(ours)} cordoned (spec.unschedulable), so that no new pod starts there."
    command = shell("kubectl", "uncordon", next(iter(ours)))
    remedies = [Remedy("wait until the maintenance ends"), Remedy("ask the operator to uncordon them", command=command)]
    return cause("nodes-cordoned", text, evidence, remedies)


def _not_ready(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:  # noqa: ARG001
    text = f"{_nodes(ours)} not ready ({next(iter(ours.values()))}), and no other node has the devices."
    command = shell("kubectl", "describe", "node", next(iter(ours)))
    return cause("nodes-not-ready", text, evidence, [Remedy("ask the operator to look at them", command=command)])


def _tainted(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:  # noqa: ARG001
    taint = next(iter(ours.values()))
    key, value, effect = taint.get("key"), taint.get("value"), taint.get("effect")
    shown = f"{key}{f'={value}' if value else ''}:{effect}"
    text = f"{_nodes(ours)} tainted with {shown}, which the pod does not tolerate."
    same = f"operator: Equal, value: {value}" if value else "operator: Exists"
    override = shell(f"pod.spec.tolerations=[{{key: {key}, {same}, effect: {effect}}}]")
    remedies = [Remedy("use nodes that are meant for training"), Remedy("tolerate it, if you may use them", override)]
    return cause("taint-not-tolerated", text, evidence, remedies)


def _unselected(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:
    selector = texts(pod, "spec", "nodeSelector")
    nodes = [snapshot.named("Node", name) for name in ours]
    wrong = {key: value for key, value in selector.items() if not any(labels(node).get(key) == value for node in nodes)}
    if not wrong:
        text = f"{_nodes(ours)} excluded by the node affinity of the pod."
        return cause("node-affinity", text, evidence, [Remedy("correct pod.spec.affinity, or drop it")])
    key, value = next(iter(wrong.items()))
    there = sorted({str(labels(node)[key]) for node in nodes if key in labels(node)})
    text = f"The nodeSelector {key}={value} fits no node with the devices"
    text += f": they have {key}={', '.join(there)}." if there else f": they do not have the label {key}."
    remedies = [
        Remedy("select the label that the nodes have", shell(f"pod.spec.nodeSelector={{{key}: {one}}}"))
        for one in there[:1]
    ]
    return cause("node-selector", text, evidence, [*remedies, Remedy("drop the selector")])


def _far_volume(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:  # noqa: ARG001
    name = next(iter(ours.values()))
    text = f'The volume of the claim "{name}" cannot be reached from {quoted(ours)}, which have the devices: '
    text += "its node affinity names another zone or node."
    remedies = [Remedy("name a claim that these nodes reach in storage.workspace.claim, or use shared storage")]
    return cause("volume-elsewhere", text, evidence, remedies)


def _too_much(pod: Object, ours: dict[str, Any], evidence: list[str], snapshot: Snapshot) -> Cause:
    name = next(iter(ours.values()))
    needs = requests(at(pod, "spec") or {})
    node = max((snapshot.named("Node", one) or {} for one in ours), key=lambda one: allocatable(one).get(name, NOTHING))
    most = allocatable(node).get(name, NOTHING)
    count = devices(at(pod, "spec"))
    text = f"A pod requests {amount_of(name, needs[name])}, and no node with the devices has more than "
    text += f"{amount_of(name, most)}."
    if name == "cpu":
        remedies = [
            Remedy(
                "request fewer CPUs for each device", f"hardware.cpu_per_device={max(1, int(most * 8 // 10) // count)}"
            )
        ]
    else:
        share = max(1, int(most * 8 // 10 // 1024**3) // count)
        remedies = [Remedy("request less memory for each device", f"hardware.memory_gib_per_device={share}")]
    return cause("pod-larger-than-any-node", text, evidence, remedies)


def amount_of(name: str, value: Decimal) -> str:
    """`96 CPUs`, `512 GiB of memory`."""
    return f"{value.normalize():f} CPUs" if name == "cpu" else f"{value / 1024**3:.0f} GiB of {name}"


_FIXED: dict[str, Callable[[Object, dict[str, Any], list[str], Snapshot], Cause]] = {
    "cordoned": _cordoned,
    "not-ready": _not_ready,
    "taint": _tainted,
    "selector": _unselected,
    "volume-elsewhere": _far_volume,
    "too-large": _too_much,
}


def _nodes(names: dict[str, Any]) -> str:
    """`The node "a" is`, `The nodes "a" and "b" are`."""
    return f"The node {quoted(names)} is" if len(names) == 1 else f"The nodes {quoted(names)} are"
