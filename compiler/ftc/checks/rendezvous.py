"""Rules on how the nodes find each other: names, networks, the port of rank 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import containers, set_by, variables
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.spec.method import DeepSpeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def names_resolve(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods ask the cluster's name server for each other.

    With `Default` they ask that of the node (Kubernetes, "Pod's DNS Policy"), which knows no pod: every node waits for
    rank 0 and fails after 300 seconds.

    Wrong: nodes=2 pod.spec.dnsPolicy=Default
    Right: nodes=2 pod.spec.dnsPolicy=ClusterFirst
    """
    if spec.nodes > 1 and with_fragments(run)["spec"].get("dnsPolicy") == "Default":
        message = f"the node's name server, which it asks, does not know the {spec.nodes} pods"
        yield Finding(set_by(spec, "spec", "dnsPolicy"), message, "leave it out", (("nodes",),))


def port_is_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container of the pod listens where rank 0 does.

    The containers of a pod share its ports: torchrun then fails with EADDRINUSE.

    Wrong: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 29500}]}]}}'
    Right: nodes=2 'pod={spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 9090}]}]}}'
    """
    alone = spec.processes == 1 and not isinstance(spec.engine, DeepSpeed)
    for path, container in containers(spec) if not alone else ():
        runs_beside = path[-2] == "containers" or container.get("restartPolicy") == "Always"
        for index, port in enumerate(container.get("ports", []) if runs_beside else ()):
            same = port["containerPort"] == spec.master_port and port.get("protocol", "TCP") == "TCP"
            if same and container["name"] != NAME:
                message = f"{container['name']} listens on {spec.master_port}, as rank 0 does"
                yield Finding((*path, "ports", index), message, "choose another port, or another master_port")


_ELASTIC = ("RDZV_ID", "MIN_NNODES", "MAX_NNODES", "MAX_RESTARTS")


def world_is_of_the_spec(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The number of nodes is the spec's.

    Variables of an elastic launch have no effect: the launchers are told the world by flags and by ftc's variables, and
    the launch script takes the others away from llamafactory-cli.

    Wrong: env.MAX_NNODES=4
    Right: nodes=4 min_nodes=2 restarts=3
    """
    for path, name, _value in variables(spec) if spec.trains else ():
        if name in _ELASTIC:
            message = "has no effect: nodes and min_nodes say how many there are"
            yield Finding(path, message, "set those, and restarts")


RULES = (
    Rule("FTC131", names_resolve),
    Rule("FTC132", port_is_free),
    Rule("FTC133", world_is_of_the_spec, Severity.NOTE),
)
