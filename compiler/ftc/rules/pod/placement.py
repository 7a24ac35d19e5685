"""Rules on the nodes that the pods run on: pinned nodes and contradictory placement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.objects import Kind
from ftc.manifests.subjects import Pod
from ftc.plan.pod import with_fragments
from ftc.rules.given import set_by
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

_HOSTNAME = "kubernetes.io/hostname"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TERMS = ("spec", "affinity", "nodeAffinity", _REQUIRED, "nodeSelectorTerms")


def pinned_node_has_room(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """All pods of a gang that is pinned to one node fit on that node.

    A gang starts completely or not at all. If the node has too few devices, or an anti-affinity separates the pods, the
    job waits forever.
    Source: Volcano, plugin gang; Kubernetes, Assigning Pods to Nodes.

    Wrong: nodes=2 devices=8 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    Right: nodes=2 devices=4 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    """
    body = with_fragments(run)["spec"]
    device = spec.hardware.device
    for path, host in _pins(run, body) if spec.nodes > 1 else ():
        if any(term.get("topologyKey") == _HOSTNAME for term in _required(body, "podAntiAffinity") or []):
            message = f"all {spec.nodes} pods are pinned to {host}, but an anti-affinity separates them"
            yield Finding(path, message, "remove one of the two")
        elif device is not None and device.per_node is not None and run.min_nodes * spec.devices > device.per_node:
            message = f"all {run.min_nodes} pods are pinned to {host}, which has only {device.per_node} devices"
            yield Finding(path, message, "remove it, or select a label that several nodes have")


def _pins(run: RunPlan, body: Json) -> Iterator[tuple[KeyPath, str]]:
    """The single node that a selector or a required affinity names."""
    if host := body.get("nodeSelector", {}).get(_HOSTNAME):
        yield set_by(run, "spec", "nodeSelector", _HOSTNAME), host
    terms = (_required(body, "nodeAffinity") or {}).get(_TERMS[-1], [])
    if len(terms) == 1:  # if there are several terms, any of them may match
        for wanted in terms[0].get("matchExpressions", []):
            if wanted["key"] == _HOSTNAME and wanted["operator"] == "In" and len(set(wanted.get("values", []))) == 1:
                yield set_by(run, *_TERMS), wanted["values"][0]


def _required(body: Json, kind: str) -> Any:
    return body.get("affinity", {}).get(kind, {}).get(_REQUIRED)


def no_manual_node_name(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The scheduler chooses the nodes.

    `nodeName` bypasses the scheduler: the devices are not counted, the pods are not gang-scheduled, and a full node
    rejects the pod.
    Source: Kubernetes, Assigning Pods to Nodes.

    Wrong: pod.spec.nodeName=node-1
    Right: 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    """
    path, device = set_by(run, "spec", "nodeName"), spec.hardware.device
    denied = device is not None and device.allocator == "hami"  # FTC313 reports it
    if path[-1] == "nodeName" and not denied:
        yield Finding(path, _BYPASSES, "use nodeSelector")


_BYPASSES = "bypasses the scheduler, which counts devices and schedules the gang"


def no_manual_node_name_in_manifests(pod: Pod) -> Iterator[Finding]:
    """The pods of a job do not name a node; a pod that was read from a cluster does."""
    if pod.spec.node_name and pod.job.kind is not Kind.POD:
        yield Finding(pod.at("nodeName"), _BYPASSES, "use nodeSelector")


RULES = (
    Rule("FTC231", "pinned-node-cannot-hold-gang", pinned_node_has_room, JobSpec),
    Rule(
        "FTC232",
        "no-manual-node-name",
        no_manual_node_name,
        JobSpec,
        Severity.WARNING,
        in_manifests=(no_manual_node_name_in_manifests, Pod),
    ),
)
