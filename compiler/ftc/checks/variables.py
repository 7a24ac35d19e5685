"""Rules on the network of the pod and on the variables that vendors' libraries read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import VISIBLE
from ftc.checks.container import train
from ftc.checks.given import pods
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments
from ftc.spec.launcher import LlamafactoryCli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"  # PyTorch's name, on every chip that its CUDA interface drives


def _given(spec: JobSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """The users' variables and where each is set; hardware and network speak for themselves."""
    for path, variables in (("cluster", "env"), spec.cluster.env), (("env",), spec.env):
        yield from (((*path, name), value) for name, value in variables.items())


def variable_is_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A variable is one that the libraries of this hardware read.

    Those of another vendor's libraries change nothing, and the setting that was meant is missing (the libraries'
    documentation of their variables: NCCL, HCCL; PyTorch's allocators).

    Wrong: hardware=ascend env.NCCL_IB_HCA=mlx5_0
    Right: hardware=ascend env.GLOO_SOCKET_IFNAME=eth0
    """
    for path, _value in _given(spec):
        if path[-1].startswith(spec.hardware.ignored_env):
            message = f"has no effect on devices of {spec.hardware.vendor}"
            yield Finding(path, message, f"see the variables of its own libraries: {spec.hardware.collective}")


def variable_is_in_range(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A variable with a range has a value in it.

    The library stops with a message of its own after the pods have started, or takes its default (CANN, HCCL
    environment variables; torch_npu, NpuVariables.cpp).

    Wrong: hardware=ascend env.HCCL_CONNECT_TIMEOUT=60
    Right: hardware=ascend env.HCCL_CONNECT_TIMEOUT=1200
    """
    limits = {limit.name: limit for limit in spec.hardware.env_limits}
    given = {path[-1]: value for path, value in _given(spec)}
    for path, value in _given(spec):
        limit = limits.get(path[-1])
        lifted = limit is not None and given.get(limit.lifted_by or "") == "1"
        if limit and not lifted and not (value.isdecimal() and limit.min <= int(value) <= limit.max):
            span = str(limit.min) if limit.min == limit.max else f"{limit.min} to {limit.max}"
            other = f", or any with {limit.lifted_by}=1" if limit.lifted_by else ""
            yield Finding(path, f"{value} is not a number that it takes", f"it takes {span}{other}")


def devices_are_given(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Which devices a container sees is for the device plugin to say.

    It sets the variable for each pod. A fixed value names devices that the pod was not given, or hides some that it was
    (NVIDIA/k8s-device-plugin, README; Ascend/mind-cluster; ROCm documentation).

    Wrong: env.CUDA_VISIBLE_DEVICES=0
    Right: devices=2
    """
    for path, _value in _given(spec) if spec.hardware.device else ():
        if VISIBLE.fullmatch(path[-1]):
            yield Finding(path, "is set by the device plugin for each pod", "leave it out, and set devices")


def allocator_setting_stays(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A setting of PyTorch's allocator reaches the training.

    `llamafactory-cli` sets it to expandable_segments:True for its torchrun, unless OPTIM_TORCH is 0 (LLaMA-Factory,
    launcher.py).

    Wrong: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128
    Right: devices=2 env.PYTORCH_CUDA_ALLOC_CONF=max_split_size_mb:128 env.OPTIM_TORCH=0
    """
    several = isinstance(spec.launcher, LlamafactoryCli) and spec.processes > 1
    if several and _ALLOCATOR in spec.env and spec.env.get("OPTIM_TORCH") != "0":
        message = "is overwritten by llamafactory-cli where it starts several processes"
        yield Finding(("env", _ALLOCATOR), message, "set env.OPTIM_TORCH=0 too, or use launcher=torchrun")


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


def toolkit_is_not_hidden(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """No volume covers the toolkit of the image.

    A mount over the directory that holds the vendor's environment script hides the script and the libraries.

    Wrong: hardware=ascend storage.workspace.mount_path=/usr/local/Ascend
    Right: hardware=ascend storage.workspace.mount_path=/workspace
    """
    mounts = [mount["mountPath"] for mount in train(run).get("volumeMounts", [])]
    for place in mounts:
        hidden = [s for s in spec.hardware.environment_scripts if s.startswith(f"{place.rstrip('/')}/")]
        if hidden:
            message = f"{hidden[0]} lies below {place}, where a volume is mounted over the image"
            yield Finding(("hardware", "environment_scripts"), message, "mount the volume elsewhere")


RULES = (
    Rule("FTC315", variable_is_read, Severity.WARNING),
    Rule("FTC316", variable_is_in_range),
    Rule("FTC317", devices_are_given, Severity.WARNING),
    Rule("FTC318", allocator_setting_stays, Severity.WARNING),
    Rule("FTC319", network_stays, Severity.WARNING),
    Rule("FTC320", memory_can_be_registered, Severity.WARNING),
    Rule("FTC321", ports_do_not_clash, Severity.WARNING),
    Rule("FTC322", address_goes_with_the_network),
    Rule("FTC323", toolkit_is_not_hidden, Severity.WARNING),
)
