"""Rules on what vendors' libraries find in a container, and on pods on the network of their node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import VISIBLE, Libraries, Limit, libraries
from ftc.diagnostics.model import Severity
from ftc.lint.devices import asked, count
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.subjects import MANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.environment import Variable
    from ftc.lint.subjects import Pod


def libraries_are_reached(step: Step) -> Iterator[Finding]:
    """What a container says to the libraries of its devices, they can read.

    Variables of another vendor's libraries change nothing; numbers out of range end the training, or count for nothing;
    which devices there are, the device plugin says. A volume over the toolkit's directory hides it.
    Source: the vendors' documentation of NCCL, HCCL and torch_npu, as conf/hardware has it.

    Wrong: tests/corpus/bad/FTC898-variable-of-another-vendor.yaml
    Right: tests/corpus/good/FTC898-variables-of-the-vendor.yaml
    """
    names = asked(step.container)
    known = libraries(names[0]) if len(names) == 1 else None
    if known is None:
        return
    for variable in step.environment.variables.values():
        if variable.index is not None and variable.value is not None:
            problem = _unread(known, variable) or _out_of_range(step, known, variable) or _chosen(step, variable)
            if problem:
                severity = Severity.ERROR if "takes" in problem else None
                yield Finding(step.at("env", variable.index), f"{variable.name} {problem}", "", severity)
    for index, mount in enumerate(step.container.volume_mounts):
        hidden = [one for one in known.scripts if one.startswith(f"{mount.mount_path.rstrip('/')}/")]
        if hidden and mount.mount_path:
            message = f"the volume hides {hidden[0]} and the rest of the image's toolkit"
            yield Finding(step.at("volumeMounts", index), message, "mount it elsewhere")


def _unread(known: Libraries, variable: Variable) -> str:
    return f"has no effect on devices of {known.vendor}" if variable.name.startswith(known.ignored) else ""


def _out_of_range(step: Step, known: Libraries, variable: Variable) -> str:
    limit = next((one for one in known.limits if one.name == variable.name), None)
    lifted = limit is not None and limit.lifted_by in step.environment.values
    if limit is None or lifted or _takes(limit, variable.value or ""):
        return ""
    span = str(limit.min) if limit.min == limit.max else f"{limit.min} to {limit.max}"
    return f"is {variable.value}, and takes {span}"


def _takes(limit: Limit, value: str) -> bool:
    return "$" in value or (value.isdecimal() and limit.min <= int(value[:20]) <= limit.max)


def _chosen(step: Step, variable: Variable) -> str:
    """A list of all devices that there are changes nothing."""
    count = step.devices or 0
    every = ",".join(map(str, range(min(count, 100))))
    if not VISIBLE.fullmatch(variable.name) or (variable.value or "").replace(" ", "") in (every, "all"):
        return ""
    return f"is {variable.value}, and the device plugin says which devices the pod has"


def pods_do_not_meet_on_a_node(run: Run) -> Iterator[Finding]:
    """A pod on the network of its node has its ports there to itself, and finds the other pods from there.

    With hostNetwork the rendezvous listens at a port of the node, which another training there may have. The scheduler
    keeps pods apart that declare one port: it is a host port then. Names of pods are looked up at the node's own DNS,
    unless dnsPolicy is ClusterFirstWithHostNet, which Volcano's webhook sets and Kubernetes does not.
    Source: Kubernetes, Pod: hostNetwork, containerPort, dnsPolicy; Volcano, jobs/mutate; issue 778.

    Wrong: tests/corpus/bad/FTC899-on-the-network-of-the-node.yaml
    Right: tests/corpus/good/FTC899-apart-on-the-network-of-the-node.yaml
    """
    if not (run.trains and run.job.several) or run.job.kind is Kind.POD:
        return
    for pod in {step.pod.crew.name: step.pod for step in run.steps if step.pod.crew.name in run.trains}.values():
        if pod.raw("hostNetwork") is not True:
            continue
        if _meet_in_a_pod(run) and (pod.replicas or 0) >= MANY and not (_kept_apart(pod) or _opens_ports(run)):
            message = "the rendezvous listens at a port of the node, which another training there may have"
            help_ = "declare the port in the container's ports: the scheduler then keeps such pods apart"
            yield Finding(pod.at("hostNetwork"), message, help_)
        if run.job.batch is not None and pod.raw("dnsPolicy") != "ClusterFirstWithHostNet":
            message = "the names of the pods are not found from the network of the node"
            yield Finding(pod.at("hostNetwork"), message, "write dnsPolicy: ClusterFirstWithHostNet")


# Devices that few nodes have more of.
_OF_A_NODE = 8


def _kept_apart(pod: Pod) -> bool:
    containers = pod.spec.containers
    taken = any(port.container_port for container in containers for port in container.ports)
    whole = any((count(container) or 0) >= _OF_A_NODE for container in containers)
    return taken or whole or pod.has("affinity") or pod.has("topologySpreadConstraints")


def _meet_in_a_pod(run: Run) -> bool:
    """Whether the rendezvous is one of the pods, and not a store of somebody else's."""
    backends = [launch.option("rdzv_backend") for _, launch in run.launches]
    return not all(backend is not None and backend.literal.startswith("etcd") for backend in backends)


def _opens_ports(run: Run) -> bool:
    """Whether a plugin of Volcano declares the port of the rendezvous in each container."""
    return bool(run.job.plugins.keys() & {"pytorch", "tensorflow", "mpi"})


RULES = (
    Rule("FTC898", libraries_are_reached, Step, Severity.WARNING),
    Rule("FTC899", pods_do_not_meet_on_a_node, Run, Severity.WARNING),
)
