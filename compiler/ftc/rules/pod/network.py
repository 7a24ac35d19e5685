"""Rules on the network of the pod, and on what the collective library is told about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.amounts import count
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run
from ftc.manifests.subjects import MANY, Pod
from ftc.plan.pod import with_fragments
from ftc.rules.given import pods, read_variables, train
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


_INTERFACE = re.compile(r"[A-Z]+_SOCKET_IFNAME")


_OF_ONE_NODE = {"lo", "docker0"}


_ADAPTER = re.compile(r"[A-Z]+_IB_(HCA|GID_INDEX)")


_DISABLED = re.compile(r"[A-Z]+_IB_DISABLE")


_OTHER_NETWORKS = "k8s.v1.cni.cncf.io/networks"


def ports_are_apart(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """On the network of the node the port of the rendezvous is none of the collective library's.

    HCCL listens at 32 ports from HCCL_IF_BASE_PORT on, 60000 where it is not set (hiascend.com, CANN), and the ranks
    fail with: the port is already bound.

    Wrong: hardware=ascend network=host-ascend master_port=60001
    Right: hardware=ascend network=host-ascend master_port=29500
    """
    for limit in spec.hardware.env_limits if _pod(run).get("hostNetwork") else ():
        _, value = read_variables(spec).get(limit.name, ((), str(limit.default)))
        base = int(value) if value.isdecimal() else None
        if base is not None and base <= spec.master_port < base + limit.listens:
            message = (
                f"{spec.master_port} is among the ports of the collective library, {base} to {base + limit.listens - 1}"
            )
            yield Finding(("master_port",), message, f"choose another, or set env.{limit.name}")


def interface_leaves_the_node(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Nodes talk to each other over an interface that leaves the node.

    Over lo or docker0 a rank reaches itself only, and the others wait until they time out (NCCL documentation,
    NCCL_SOCKET_IFNAME: `lo` and `docker*` are the last that NCCL takes by itself).

    Wrong: nodes=2 env.NCCL_SOCKET_IFNAME=lo
    Right: nodes=2 env.NCCL_SOCKET_IFNAME=eth0
    """
    for name, (path, value) in read_variables(spec).items() if spec.nodes > 1 else ():
        names = [part.partition(":")[0] for part in value.removeprefix("=").split(",")]
        if _INTERFACE.fullmatch(name) and {*names} <= _OF_ONE_NODE:
            yield Finding(path, f"{value} does not leave the node, and the job has {spec.nodes} nodes", "leave it out")


def adapter_is_given(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """An adapter that NCCL is told to use is one that the pod has.

    In a pod without an RDMA device NCCL finds no adapter and goes over sockets, at a fraction of the speed (NCCL
    documentation, NCCL_IB_HCA; Mellanox/k8s-rdma-shared-dev-plugin).

    Wrong: nodes=2 env.NCCL_IB_HCA=mlx5_0
    Right: nodes=2 network=rdma env.NCCL_IB_HCA=mlx5_0
    """
    given = [one for name, one in read_variables(spec).items() if _ADAPTER.fullmatch(name)]
    if spec.nodes == 1 or not given or _has_adapters(spec, run):
        return
    for path, value in given:
        yield Finding(path, f"is {value}, and the pod asks for no RDMA device", "use network=rdma or network=roce")


def adapter_is_used(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """An RDMA device that the pod asks for is one that NCCL may use.

    With NCCL_IB_DISABLE=1 it goes over sockets, and the adapter is held for nothing (NCCL documentation,
    NCCL_IB_DISABLE; Mellanox/k8s-rdma-shared-dev-plugin, resources rdma/…).

    Wrong: network.resource=rdma/hca_shared_devices_a env.NCCL_IB_DISABLE=1
    Right: network=rdma network.resource=rdma/hca_shared_devices_a
    """
    held = next((name for name in _limits(run) if name.startswith("rdma/")), "")
    for name, (path, value) in read_variables(spec).items() if held else ():
        if _DISABLED.fullmatch(name) and value == "1" and name not in spec.network.env:
            yield Finding(
                path, f"is 1, and the pod asks for {held}", "leave it out, or ask for no adapter: network=pod"
            )


def _has_adapters(spec: JobSpec, run: RunPlan) -> bool:
    """Through a resource, whatever it is called, the node's network, its devices, or a second network."""
    pod = _pod(run)
    device = spec.hardware.device
    ours = {device.resource, *(share.resource for share in device.slices.values())} if device else set()
    others = {name for name in _limits(run) if "/" in name} - ours
    annotations = with_fragments(run)["metadata"].get("annotations", {})
    privileged = train(run).get("securityContext", {}).get("privileged")
    return bool(others or pod.get("hostNetwork") or privileged or _OTHER_NETWORKS in annotations)


def _limits(run: RunPlan) -> Json:
    limits: Json = train(run)["resources"]["limits"]
    return limits


def _pod(run: RunPlan) -> Json:
    body: Json = with_fragments(run)["spec"]
    return body


def network_stays(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other group or user undoes a variable of the network.

    An adapter that the pod asks for and the library is told not to use costs its time in silence.

    Wrong: network=rdma env.NCCL_IB_DISABLE=1
    Right: network=rdma env.NCCL_IB_HCA=mlx5
    """
    for path, variables in (("hardware", "env"), spec.hardware.env), (("env",), spec.env):
        for name in sorted(variables.keys() & spec.network.env.keys()):
            if variables[name] != spec.network.env[name]:
                message = f"is {variables[name]}, and the network sets it to {spec.network.env[name]}"
                yield Finding((*path, name), message, "leave it out, or choose another network=…")


def memory_can_be_registered(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container with an RDMA device may lock its memory.

    The adapter reads the memory of the process, which must not move: without the capability IPC_LOCK its registration
    fails (Mellanox/k8s-rdma-shared-dev-plugin, example/test-hca-pod.yaml).

    Wrong: network.resource=rdma/hca_shared_devices_a
    Right: network=rdma network.resource=rdma/hca_shared_devices_a
    """
    if spec.network.resource is None or not spec.network.resource.startswith("rdma/"):
        return
    context = train(run).get("securityContext", {})
    if "IPC_LOCK" not in context.get("capabilities", {}).get("add", []) and not context.get("privileged"):
        message = f"{spec.network.resource} is asked for without the capability IPC_LOCK"
        yield Finding(("network", "resource"), message, "use network=rdma, which adds it")


def ports_do_not_clash(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Trainings do not meet on the network of one node, and their pods find each other there.

    With hostNetwork the port of rank 0 is the node's: another training's rank 0 may hold it. A host port tells the
    scheduler to keep them apart, and ClusterFirstWithHostNet lets the pods find each other's names (Kubernetes, Pod:
    hostPort, dnsPolicy).

    Wrong: nodes=2 pod.spec.hostNetwork=true
    Right: nodes=2 network=host
    """
    body = with_fragments(run)["spec"]
    if spec.nodes == 1 or not body.get("hostNetwork"):
        return
    path = next((*path, "hostNetwork") for path, pod in pods(spec) if "hostNetwork" in pod)
    ports = {port.get("hostPort") for port in train(run).get("ports", [])}
    apart = "affinity" in body or "topologySpreadConstraints" in body or spec.master_port in ports
    if not apart or body.get("dnsPolicy") != "ClusterFirstWithHostNet":
        message = "puts the pods on the nodes' own network, without all that keeps them apart and lets them meet"
        yield Finding(path, message, "use network=host")


def address_goes_with_the_network(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """On the network of the node the collective library is told the node's address, and only there.

    Without it the ranks use an address that the others do not reach; with it in a pod network too (Ascend/mind-cluster,
    training: HCCL_IF_IP must be configured with hostNetwork, and not otherwise).

    Wrong: hardware=ascend network=host
    Right: hardware=ascend network=host-ascend
    """
    name, body = spec.hardware.host_address_variable, with_fragments(run)["spec"]
    if name is None:
        return
    given = name in {variable["name"] for variable in train(run).get("env", [])}
    if given and not body.get("hostNetwork"):
        path = ("env", name) if name in spec.env else ("network",)
        yield Finding(path, f"{name} is set without the network of the node", "leave it out, or use network=host-…")
    elif body.get("hostNetwork") and not given:
        message = f"the pod is on the network of the node, and {name} does not say its address"
        yield Finding(("network",), message, f"set {name} from status.hostIP, as network=host-… does")


# Rules on manifests.


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
    Rule("FTC344", "rendezvous-port-in-collective-range", ports_are_apart, JobSpec, Severity.WARNING),
    Rule("FTC345", "node-local-network-interface", interface_leaves_the_node, JobSpec, Severity.WARNING),
    Rule("FTC346", "rdma-adapter-without-rdma-device", adapter_is_given, JobSpec, Severity.WARNING),
    Rule("FTC347", "rdma-device-not-used", adapter_is_used, JobSpec, Severity.WARNING),
    Rule("FTC319", "network-variable-overridden", network_stays, JobSpec, Severity.WARNING),
    Rule("FTC320", "rdma-needs-ipc-lock", memory_can_be_registered, JobSpec, Severity.WARNING),
    Rule("FTC321", "host-network-conflict", ports_do_not_clash, JobSpec, Severity.WARNING),
    Rule("FTC322", "host-ip-and-host-network-go-together", address_goes_with_the_network, JobSpec),
    Rule("FTC899", "host-network-pods-collide", pods_do_not_meet_on_a_node, Run, Severity.WARNING),
)
