"""Rules on the network of the pod, and on the variables with which the collective library uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import count, whole
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import MANY, Pod
from ftc.patterns import lazily
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import pods, read_variables, resource_lists, train
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


_INTERFACE = lazily(r"[A-Z]+_SOCKET_IFNAME")


_LOCAL_INTERFACES = {"lo", "docker0"}


_ADAPTER = lazily(r"[A-Z]+_IB_(HCA|GID_INDEX)")


_DISABLED = lazily(r"[A-Z]+_IB_DISABLE")


_OTHER_NETWORKS = "k8s.v1.cni.cncf.io/networks"


def rendezvous_port_is_free(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """On the host network, the rendezvous port is outside the port range of the collective library.

    HCCL listens on 32 ports from HCCL_IF_BASE_PORT on (default 60000). If the ranges overlap, the ranks fail because
    the port is already bound.
    Source: hiascend.com, CANN, HCCL environment variables.

    Wrong: hardware=ascend network=host-ascend master_port=60001
    Right: hardware=ascend network=host-ascend master_port=29500
    """
    for limit in spec.hardware.env_limits if _pod(run).get("hostNetwork") else ():
        _, value = read_variables(spec).get(limit.name, ((), str(limit.default)))
        base = int(value) if value.isdecimal() else None
        if base is not None and base <= spec.master_port < base + limit.listens:
            ports = f"{base} to {base + limit.listens - 1}"
            message = f"{spec.master_port} is in the port range of the collective library, {ports}"
            yield Finding(("master_port",), message, f"use another port, or set env.{limit.name}")


def interface_reaches_other_nodes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Nodes communicate over an interface that reaches other nodes.

    Over lo or docker0 a rank reaches only itself, and the others time out. NCCL itself uses `lo` and `docker*` only as
    a last resort.
    Source: NCCL documentation, NCCL_SOCKET_IFNAME.

    Wrong: nodes=2 env.NCCL_SOCKET_IFNAME=lo
    Right: nodes=2 env.NCCL_SOCKET_IFNAME=eth0
    """
    for name, (path, value) in read_variables(spec).items() if spec.nodes > 1 else ():
        names = [part.partition(":")[0] for part in value.removeprefix("=").split(",")]
        if _INTERFACE.fullmatch(name) and {*names} <= _LOCAL_INTERFACES:
            yield Finding(path, f"{value} does not reach other nodes, but the job has {spec.nodes} nodes", "remove it")


def adapter_needs_rdma_device(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod that selects an RDMA adapter for NCCL requests an RDMA device.

    Without an RDMA device NCCL does not find the adapter and uses sockets, at a fraction of the speed.
    Source: NCCL documentation, NCCL_IB_HCA; Mellanox/k8s-rdma-shared-dev-plugin.

    Wrong: nodes=2 env.NCCL_IB_HCA=mlx5_0
    Right: nodes=2 network=rdma env.NCCL_IB_HCA=mlx5_0
    """
    given = [one for name, one in read_variables(spec).items() if _ADAPTER.fullmatch(name)]
    if spec.nodes == 1 or not given or _has_adapters(spec, run):
        return
    for path, value in given:
        yield Finding(
            path, f"is {value}, but the pod does not request an RDMA device", "use network=rdma or network=roce"
        )


def rdma_device_is_used(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """NCCL uses the RDMA device that the pod requests.

    With NCCL_IB_DISABLE=1 NCCL uses sockets, and the adapter is idle.
    Source: NCCL documentation, NCCL_IB_DISABLE; Mellanox/k8s-rdma-shared-dev-plugin, resources rdma/….

    Wrong: network.resource=rdma/hca env.NCCL_IB_DISABLE=1
      'pod.spec.containers=[{name: train, securityContext: {capabilities: {add: [IPC_LOCK]}}}]'
    Right: network=rdma network.resource=rdma/hca
    """
    held = next((name for name in _limits(run) if name.startswith("rdma/")), "")
    for name, (path, value) in read_variables(spec).items() if held else ():
        if _DISABLED.fullmatch(name) and value == "1" and name not in spec.network.env:
            yield Finding(path, f"is 1, but the pod requests {held}", "remove it, or use network=pod")


def _has_adapters(spec: JobSpec, run: RunPlan) -> bool:
    """Whether the pod has an RDMA adapter: from any resource, the host network, host devices or a second network."""
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


def network_variables_are_kept(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Other groups and users do not override a variable of the network.

    If the variable disables an adapter that the pod requests, the training is slower, and nothing reports it.
    Source: ftc, whose option `network` sets these variables together with the resources.

    Wrong: network=rdma env.NCCL_IB_DISABLE=1
    Right: network=rdma env.NCCL_IB_HCA=mlx5
    """
    for path, variables in (("hardware", "env"), spec.hardware.env), (("env",), spec.env):
        for name in sorted(variables.keys() & spec.network.env.keys()):
            if variables[name] != spec.network.env[name]:
                message = f"is {variables[name]}, but the network sets it to {spec.network.env[name]}"
                yield Finding((*path, name), message, "remove it, or choose another network=…")


def rdma_has_ipc_lock(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A container with an RDMA device has the capability IPC_LOCK.

    The adapter reads pinned memory of the process. Without IPC_LOCK the memory cannot be registered, unless the
    container runtime lifts the limit on locked memory.
    Source: Mellanox/k8s-rdma-shared-dev-plugin, example/test-hca-pod.yaml.

    Wrong: network.resource=rdma/hca_shared_devices_a
    Right: network=rdma network.resource=rdma/hca_shared_devices_a
    """
    if _may_lock(train(run).get("securityContext", {})):
        return
    given = [(path, name) for path, container, limits in resource_lists(spec) for name in limits if container == NAME]
    for name in _adapters(_limits(run)):
        path = next(((*path, name) for path, other in given if other == name), ("network", "resource"))
        yield Finding(path, _cannot_lock(name), "use network=rdma, which adds it, or add it to the securityContext")


_RDMA = "rdma/"  # Mellanox/k8s-rdma-shared-dev-plugin


def _adapters(limits: Mapping[str, str | int | float]) -> list[str]:
    return [name for name, value in limits.items() if name.startswith(_RDMA) and whole(value)]


def _may_lock(context: Json) -> bool:
    return context.get("privileged") is True or not _LOCKING.isdisjoint(context.get("capabilities", {}).get("add", []))


_LOCKING = {"IPC_LOCK", "CAP_IPC_LOCK", "ALL"}


def _cannot_lock(name: str) -> str:
    return f"{name} is requested without the capability IPC_LOCK"


def host_network_is_complete(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod on the host network has a host port and the DNS policy ClusterFirstWithHostNet.

    With hostNetwork, rank 0 listens on a port of the node, which another training may already use. With a host port the
    scheduler keeps the two apart. With ClusterFirstWithHostNet the pods resolve each other's names.
    Source: Kubernetes, Pod (hostPort, dnsPolicy).

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
        message = "puts the pods on the host network without a host port or a DNS policy for it"
        yield Finding(path, message, "use network=host")


def host_ip_needs_host_network(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The collective library gets the node's address if, and only if, the pod is on the host network.

    On the host network the ranks otherwise use an address that other nodes cannot reach. In a pod network the node's
    address is wrong.
    Source: Ascend/mind-cluster, training (HCCL_IF_IP requires hostNetwork).

    Wrong: hardware=ascend network=host
    Right: hardware=ascend network=host-ascend
    """
    name, body = spec.hardware.host_address_variable, with_fragments(run)["spec"]
    if name is None:
        return
    given = name in {variable["name"] for variable in train(run).get("env", [])}
    if given and not body.get("hostNetwork"):
        path = ("env", name) if name in spec.env else ("network",)
        yield Finding(
            path, f"{name} is set, but the pod is not on the host network", "remove it, or use network=host-…"
        )
    elif body.get("hostNetwork") and not given:
        message = f"the pod is on the host network, but {name} does not hold the address of the node"
        yield Finding(("network",), message, f"set {name} from status.hostIP, as network=host-… does")


# Rules on manifests.


def host_network_is_complete_in_manifests(run: Run) -> Iterator[Finding]:
    """A pod on the host network declares its ports and resolves the names of the other pods.

    With hostNetwork the rendezvous listens on a port of the node, which another training may already use. A declared
    port becomes a host port, and the scheduler keeps pods with the same host port apart. The pod uses the DNS of the
    node unless dnsPolicy is ClusterFirstWithHostNet, which Volcano's webhook sets and Kubernetes does not.
    Source: Kubernetes, Pod (hostNetwork, containerPort, dnsPolicy); Volcano, jobs/mutate, issue 778.

    Wrong: tests/corpus/bad/FTC899-on-the-network-of-the-node.yaml
    Right: tests/corpus/good/FTC899-apart-on-the-network-of-the-node.yaml
    """
    if not (run.trains and run.job.several) or run.job.kind is Kind.POD:
        return
    for pod in {step.pod.crew.name: step.pod for step in run.steps if step.pod.crew.name in run.trains}.values():
        if pod.raw("hostNetwork") is not True:
            continue
        if _rendezvous_in_a_pod(run) and (pod.replicas or 0) >= MANY and not (_kept_apart(pod) or _opens_ports(run)):
            message = "the rendezvous listens on a port of the node, which another training may already use"
            help_ = "declare the port in the container's ports, so that the scheduler keeps such pods apart"
            yield Finding(pod.at("hostNetwork"), message, help_)
        if pod.crew.batch is not None and pod.raw("dnsPolicy") != "ClusterFirstWithHostNet":
            message = "the pod cannot resolve the names of the other pods on the host network"
            yield Finding(pod.at("hostNetwork"), message, "set dnsPolicy: ClusterFirstWithHostNet")


def rdma_has_ipc_lock_in_manifests(step: Step) -> Iterator[Finding]:
    """The containers of a manifest that train with an RDMA device, as far as is known, have the capability IPC_LOCK."""
    if not (step.trainings or step.unseen) or _may_lock(step.container.security_context):
        return
    for name in _adapters(step.container.resources.limits):
        help_ = "add IPC_LOCK to securityContext.capabilities.add"
        yield Finding(step.at("resources", "limits", name), _cannot_lock(name), help_)


# Few nodes have more devices.
_WHOLE_NODE = 8


def _kept_apart(pod: Pod) -> bool:
    containers = pod.spec.containers
    taken = any(port.container_port for container in containers for port in container.ports)
    whole = any((count(container) or 0) >= _WHOLE_NODE for container in containers)
    return taken or whole or pod.has("affinity") or pod.has("topologySpreadConstraints")


def _rendezvous_in_a_pod(run: Run) -> bool:
    """Whether the rendezvous is in one of the pods, not in an external store."""
    backends = [launch.option("rdzv_backend") for _, launch in run.launches]
    return not all(backend is not None and backend.literal.startswith("etcd") for backend in backends)


def _opens_ports(run: Run) -> bool:
    """Whether a Volcano plugin declares the rendezvous port in each container."""
    return bool(run.job.plugins.keys() & {"pytorch", "tensorflow", "mpi"})


RULES = (
    Rule("FTC344", "rendezvous-port-in-collective-range", rendezvous_port_is_free, JobSpec, Severity.WARNING),
    Rule("FTC345", "node-local-network-interface", interface_reaches_other_nodes, JobSpec, Severity.WARNING),
    Rule("FTC346", "rdma-adapter-without-rdma-device", adapter_needs_rdma_device, JobSpec, Severity.WARNING),
    Rule("FTC347", "rdma-device-not-used", rdma_device_is_used, JobSpec, Severity.WARNING),
    Rule("FTC319", "network-variable-overridden", network_variables_are_kept, JobSpec, Severity.WARNING),
    Rule(
        "FTC320",
        "rdma-needs-ipc-lock",
        rdma_has_ipc_lock,
        JobSpec,
        Severity.WARNING,
        in_manifests=(rdma_has_ipc_lock_in_manifests, Step),
    ),
    Rule("FTC321", "host-network-conflict", host_network_is_complete, JobSpec, Severity.WARNING),
    Rule("FTC322", "host-ip-network-mismatch", host_ip_needs_host_network, JobSpec),
    Rule("FTC899", "host-network-pods-collide", host_network_is_complete_in_manifests, Run, Severity.WARNING),
)
