"""Rules on the nodes that the pods run on: pins, and placement that contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.plan.pod import with_fragments
from ftc.rules.given import set_by
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

_HOSTNAME = "kubernetes.io/hostname"


def one_node_holds_the_pods(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Pods that are pinned to one node fit on it together.

    A gang starts whole or not at all: where the node has too few devices for all pods, or an anti-affinity keeps them
    apart, the job waits for ever.

    Wrong: nodes=2 devices=8 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    Right: nodes=2 devices=4 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    """
    body = with_fragments(run)["spec"]
    device = spec.hardware.device
    for path, host in _pins(spec, body) if spec.nodes > 1 else ():
        if any(term.get("topologyKey") == _HOSTNAME for term in _required(body, "podAntiAffinity") or []):
            message = f"all {spec.nodes} pods must go to {host}, and an anti-affinity keeps them on nodes of their own"
            yield Finding(path, message, "give up one of the two")
        elif device is not None and device.per_node is not None and run.min_nodes * spec.devices > device.per_node:
            message = f"all {run.min_nodes} pods must go to {host}, whose {device.per_node} devices are too few"
            yield Finding(path, message, "leave it out, or select by a label of several nodes")


def _pins(spec: JobSpec, body: Json) -> Iterator[tuple[KeyPath, str]]:
    """The single node that a selector or a required affinity names."""
    if host := body.get("nodeSelector", {}).get(_HOSTNAME):
        yield set_by(spec, "spec", "nodeSelector", _HOSTNAME), host
    terms = (_required(body, "nodeAffinity") or {}).get("nodeSelectorTerms", [])
    if len(terms) == 1:  # one of several terms is enough
        for wanted in terms[0].get("matchExpressions", []):
            if wanted["key"] == _HOSTNAME and wanted["operator"] == "In" and len(set(wanted.get("values", []))) == 1:
                yield set_by(spec, "spec", "affinity"), wanted["values"][0]


def _required(body: Json, kind: str) -> Any:
    return body.get("affinity", {}).get(kind, {}).get("requiredDuringSchedulingIgnoredDuringExecution")


def scheduler_places_the_pods(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The scheduler chooses the nodes.

    `nodeName` goes past it: nothing counts the devices, the gang is not kept, and a node that is full rejects the pod
    (Kubernetes, "Assigning Pods to Nodes").

    Wrong: pod.spec.nodeName=node-1
    Right: 'pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}'
    """
    path, device = set_by(spec, "spec", "nodeName"), spec.hardware.device
    denied = device is not None and device.allocator == "hami"  # a rule on sharing says it
    if path[-1] == "nodeName" and not denied:
        yield Finding(path, "goes past the scheduler, which counts devices and keeps the gang", "use nodeSelector")


RULES = (
    Rule("FTC231", "pinned-node-too-small", one_node_holds_the_pods, JobSpec),
    Rule("FTC232", "no-manual-node-name", scheduler_places_the_pods, JobSpec, Severity.WARNING),
)
