"""Rules on how the nodes find each other: names, networks, the port of rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import containers, set_by, variables
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.spec.launcher import Command
from ftc.spec.method import DeepSpeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

HOSTNAME = "kubernetes.io/hostname"


def names_resolve(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods ask the cluster's name server for each other.

    With `Default`, and with `ClusterFirst` on the host's network, they ask the node's own (Kubernetes, "Pod's DNS
    Policy"), which knows no pod: every node waits for rank 0 and fails after 300 seconds.

    Wrong: nodes=2 pod.spec.dnsPolicy=Default
    Right: nodes=2 pod.spec.dnsPolicy=ClusterFirstWithHostNet
    """
    body = with_fragments(run)["spec"]
    policy = body.get("dnsPolicy")
    if spec.nodes > 1 and (policy == "Default" or (policy == "ClusterFirst" and body.get("hostNetwork") is True)):
        message = f"{policy} asks the node's name server, which does not know the {spec.nodes} pods"
        yield Finding(set_by(spec, "spec", "dnsPolicy"), message, "leave it out, or use ClusterFirstWithHostNet")


def host_network_is_not_shared(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Pods on the host's network are kept on nodes of their own.

    Two of them on one node share its ports, with those of other jobs too: the second to listen fails with EADDRINUSE
    (volcano-sh/volcano issue 778). Silent where one pod takes more than half of a node's devices.

    Wrong: nodes=2 pod.spec.hostNetwork=true
    Right: nodes=2 devices=8 pod.spec.hostNetwork=true
    """
    body = with_fragments(run)["spec"]
    device = spec.hardware.device
    alone = device is not None and device.per_node is not None and 2 * spec.devices > device.per_node
    if spec.nodes > 1 and body.get("hostNetwork") is True and not alone and not _is_spread(body):
        message = f"two of the {spec.nodes} pods on one node share its ports, {spec.master_port} among them"
        help_ = f"add a podAntiAffinity or topologySpreadConstraints on {HOSTNAME}, or take whole nodes"
        yield Finding(set_by(spec, "spec", "hostNetwork"), message, help_)


def _is_spread(body: Json) -> bool:
    """Whether some rule of placement speaks of single nodes."""
    constraints = body.get("topologySpreadConstraints", [])
    return any(term.get("topologyKey") == HOSTNAME for term in (*constraints, *anti_affinities(body)))


def anti_affinities(body: Json) -> list[Json]:
    """The terms that keep a pod from a node where certain others are."""
    terms = body.get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    return list(terms or [])


def port_is_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container of the pod listens where rank 0 does.

    The containers of a pod share its ports: torchrun then fails with EADDRINUSE.

    Wrong: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 29500}]}]}}'
    Right: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 9090}]}]}}'
    """
    alone = spec.nodes * spec.devices == 1 and not isinstance(spec.engine, DeepSpeed)
    for path, container in containers(spec) if not alone else ():
        runs_beside = path[-2] == "containers" or container.get("restartPolicy") == "Always"
        for index, port in enumerate(container.get("ports", []) if runs_beside else ()):
            same = port["containerPort"] == spec.master_port and port.get("protocol", "TCP") == "TCP"
            if same and container["name"] != NAME:
                message = f"{container['name']} listens on {spec.master_port}, as rank 0 does"
                yield Finding((*path, "ports", index), message, "choose another port, or another master_port")


_ELASTIC = ("RDZV_ID", "MIN_NNODES", "MAX_NNODES", "MAX_RESTARTS")


def world_is_fixed(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The number of nodes is the spec's.

    Variables of an elastic launch have no effect: the launchers are told the world by flags and by ftc's variables, and
    the launch script takes the others away from llamafactory-cli.

    Wrong: env.MAX_NNODES=4
    Right: nodes=4
    """
    for path, name, _value in variables(spec) if not isinstance(spec.launcher, Command) else ():
        if name in _ELASTIC:
            yield Finding(path, f"has no effect: the job has {spec.nodes} nodes, no more and no fewer", "set nodes")


RULES = (
    Rule("FTC131", names_resolve),
    Rule("FTC132", host_network_is_not_shared, Severity.WARNING),
    Rule("FTC133", port_is_free),
    Rule("FTC134", world_is_fixed, Severity.NOTE),
)
