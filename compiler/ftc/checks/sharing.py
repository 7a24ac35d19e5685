"""Rules on how devices are counted, shared and handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import pods
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.train import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def count_can_be_scheduled(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The devices of a node are a number that its scheduler or device plugin takes.

    Schedulers of some vendors keep a pod within a ring or a module of chips: any other number stays pending, or the
    device plugin refuses it (Ascend/mind-cluster, affinity scheduling; Project-HAMi/HAMi, pkg/device).

    Wrong: hardware=ascend-910a-mindcluster devices=3
    Right: hardware=ascend-910a-mindcluster devices=4
    """
    device = spec.hardware.device
    if device is not None and device.counts and spec.devices not in device.counts:
        message = f"{spec.devices} of {device.resource} cannot be scheduled on a node"
        yield Finding(("devices",), message, f"{_numbers(device.counts)}; or set hardware.device.counts")


def count_can_be_distributed(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The devices of each node of several are a number that a distributed job may take.

    On nodes of chips in pairs a job of several nodes takes whole pairs (Ascend/mind-cluster, affinity scheduling).

    Wrong: hardware=ascend-910c-mindcluster nodes=2 devices=1
    Right: hardware=ascend-910c-mindcluster nodes=2 devices=16
    """
    device = spec.hardware.device
    if spec.nodes == 1 or device is None or not device.counts_across_nodes:
        return
    if spec.devices not in device.counts_across_nodes and (not device.counts or spec.devices in device.counts):
        message = f"{spec.devices} of {device.resource} a node cannot be scheduled for {spec.nodes} nodes"
        yield Finding(("devices",), message, f"{_numbers(device.counts_across_nodes)} in a job of several nodes")


def _numbers(counts: tuple[int, ...]) -> str:
    return f"a node takes {', '.join(str(count) for count in counts)}"


def share_fits_in_the_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A share of a device is not larger than the device.

    Shares count a device, not all together: per cent go to 100, and memory to that of one device. More is denied by
    the webhook, or no node has it (Project-HAMi/HAMi, pkg/scheduler/webhook.go and pkg/device).

    Wrong: hardware=nvidia-hami hardware.device.slices.cores.quantity=200
    Right: hardware=nvidia-hami hardware.device.slices.cores.quantity=100
    """
    device = spec.hardware.device
    for name, share in device.slices.items() if device else ():
        if share.max is not None and share.quantity > share.max:
            message = f"{share.quantity} of {share.resource} is more than one device has"
            path = ("hardware", "device", "slices", name, "quantity")
            yield Finding(path, message, f"use {share.max} at most; it is counted for each device")


def partition_exists(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A partition is one of those that the device can be cut into, with the memory of that one.

    A resource that no node offers keeps the pod pending (NVIDIA/k8s-device-plugin, README; Ascend/mind-cluster,
    constants.go).

    Wrong: hardware=a100-80gb-mig hardware.device.resource=nvidia.com/mig-1g.5gb
    Right: hardware=a100-80gb-mig hardware.device.resource=nvidia.com/mig-1g.10gb hardware.device.memory_mib=10240
    """
    device = spec.hardware.device
    if device is None or not device.profiles:
        return
    known = {profile.resource: profile.memory_mib for profile in device.profiles}
    if device.resource not in known:
        message = f"the device has no partition {device.resource}"
        yield Finding(("hardware", "device", "resource"), message, f"it has {', '.join(known)}")
    elif device.memory_mib != known[device.resource]:
        message = f"{device.resource} does not have {device.memory_mib} MiB"
        yield Finding(("hardware", "device", "memory_mib"), message, f"set it to {known[device.resource]}")


def volcano_hands_out(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Devices that Volcano's scheduler hands out need its pods to be scheduled by Volcano.

    Another scheduler knows no node that has them, or leaves out the annotation that says which were chosen
    (volcano-sh/volcano, docs/user-guide; Ascend/mind-cluster: delete it without ascend-volcano-plugin).

    Wrong: hardware=volcano-vgpu
    Right: hardware=volcano-vgpu cluster.gang_jobs=true
    """
    device = spec.hardware.device
    if device is not None and device.allocator == "volcano" and not spec.cluster.gang_jobs:
        message = f"Volcano's scheduler hands {device.resource} out, and a batch Job goes to that of Kubernetes"
        yield Finding(("hardware", "device", "allocator"), message, "use -t volcano, or set cluster.gang_jobs=true")


def hami_sees_the_pod(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A pod with HAMi's devices is neither privileged nor bound to a node.

    HAMi's webhook denies it: a privileged container sees all devices of the node, and a pod with a node name passes the
    scheduler by (Project-HAMi/HAMi, pkg/scheduler/webhook.go).

    Wrong: hardware=nvidia-hami pod.spec.nodeName=gpu-1
    Right: hardware=nvidia-hami 'pod.spec.nodeSelector={gpu: "on"}'
    """
    device = spec.hardware.device
    if device is None or device.allocator != "hami":
        return
    for path, pod in pods(spec):
        if "nodeName" in pod:
            yield Finding((*path, "nodeName"), "HAMi denies a pod that is bound to a node", "use nodeSelector")
        for container in pod.get("containers", []):
            if container["name"] == NAME and container.get("securityContext", {}).get("privileged") is True:
                message = "HAMi denies a privileged container that has its devices"
                yield Finding((*path, "containers"), message, "add the capabilities that it needs instead")


def downloads_hold_no_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What only downloads asks for no device.

    An init container holds what it asks for while it runs, and a device is not shared with the container after it;
    with some plugins the pod is never scheduled (Project-HAMi/website, DCU).

    Wrong: 'pod.spec.initContainers=[{name: fetch-model, resources: {limits: {nvidia.com/gpu: "1"}}}]'
    Right: 'pod.spec.initContainers=[{name: fetch-model, resources: {limits: {ephemeral-storage: 9Gi}}}]'
    """
    ours = spec.hardware.resources
    for path, pod in pods(spec):
        for container in pod.get("initContainers", []):
            if ours & container.get("resources", {}).get("limits", {}).keys():
                message = f"{container['name']} asks for a device, and holds it before the training"
                yield Finding((*path, "initContainers"), message, "leave the device out")


RULES = (
    Rule("FTC308", count_can_be_scheduled),
    Rule("FTC309", count_can_be_distributed),
    Rule("FTC310", share_fits_in_the_device),
    Rule("FTC311", partition_exists),
    Rule("FTC312", volcano_hands_out, target="job"),
    Rule("FTC313", hami_sees_the_pod),
    Rule("FTC314", downloads_hold_no_device, Severity.WARNING),
)
