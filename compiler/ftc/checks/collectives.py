"""Rules on the variables by which the collective libraries and PyTorch's allocators are told what they have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.checks.container import train
from ftc.checks.given import variables
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

_EVERY = "PYTORCH_ALLOC_CONF"
_SPLITTING = ("max_split_size_mb", "garbage_collection_threshold")
_INTERFACE = re.compile(r"[A-Z]+_SOCKET_IFNAME")
_OF_ONE_NODE = {"lo", "docker0"}
_ADAPTER = re.compile(r"[A-Z]+_IB_(HCA|GID_INDEX)")
_DISABLED = re.compile(r"[A-Z]+_IB_DISABLE")
_OTHER_NETWORKS = "k8s.v1.cni.cncf.io/networks"


def _read(spec: JobSpec) -> dict[str, tuple[KeyPath, str]]:
    """The variables that this hardware reads, with the place and value that win."""
    ignored = spec.hardware.ignored_env
    return {name: (path, value) for path, name, value in variables(spec) if not name.startswith(ignored)}


def allocator_settings_fit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The settings of the chip's allocator fit each other.

    Segments that grow are not split: with both settings, or with PYTORCH_ALLOC_CONF too, torch_npu stops when it
    starts (torch_npu, environment variables: PYTORCH_NPU_ALLOC_CONF).

    Wrong: hardware=ascend 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True,max_split_size_mb:128"'
    Right: hardware=ascend 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True"'
    """
    given, name = _read(spec), spec.hardware.allocator_variable
    if name is None or name not in given:
        return
    path, value = given[name]
    settings = dict(part.strip().partition(":")[::2] for part in value.split(","))
    clash = [name for name in _SPLITTING if name in settings]
    if settings.get("expandable_segments", "").casefold() == "true" and clash:
        message = f"expandable_segments cannot be combined with {' and '.join(clash)}"
        yield Finding(path, message, "leave one of them out")
    if _EVERY in given:
        yield Finding(path, f"is set beside {_EVERY}, and one of the two is taken", "leave one of them out")


def ports_are_apart(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """On the network of the node the port of the rendezvous is none of the collective library's.

    HCCL listens at 32 ports from HCCL_IF_BASE_PORT on, 60000 where it is not set (hiascend.com, CANN), and the ranks
    fail with: the port is already bound.

    Wrong: hardware=ascend network=host-ascend master_port=60001
    Right: hardware=ascend network=host-ascend master_port=29500
    """
    for limit in spec.hardware.env_limits if _pod(run).get("hostNetwork") else ():
        _, value = _read(spec).get(limit.name, ((), str(limit.default)))
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
    for name, (path, value) in _read(spec).items() if spec.nodes > 1 else ():
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
    given = [one for name, one in _read(spec).items() if _ADAPTER.fullmatch(name)]
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
    for name, (path, value) in _read(spec).items() if held else ():
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


RULES = (
    Rule("FTC343", allocator_settings_fit),
    Rule("FTC344", ports_are_apart, Severity.WARNING),
    Rule("FTC345", interface_leaves_the_node, Severity.WARNING),
    Rule("FTC346", adapter_is_given, Severity.WARNING),
    Rule("FTC347", adapter_is_used, Severity.WARNING),
)
