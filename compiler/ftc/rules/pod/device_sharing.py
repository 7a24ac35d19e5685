"""Rules on how devices are counted, shared, partitioned and scheduled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import Kind as Device
from ftc.accelerators import kinds, shares
from ftc.diagnostics.model import Severity
from ftc.manifests.amounts import asked
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import MANY
from ftc.plan.train import NAME
from ftc.rules.given import pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


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


def hami_needs_its_scheduler(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What HAMi hands out is placed by a scheduler that knows it.

    HAMi's webhook leaves pods of another scheduler alone, and upstream Volcano knows no node with its slices: the pods
    may stay pending. Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go.

    Wrong: hardware=alauda-vgpu
    Right: hardware=alauda-vgpu cluster.hami_with_volcano=true
    """
    device = spec.hardware.device
    if device is not None and device.allocator == "hami" and not spec.cluster.hami_with_volcano:
        message = f"HAMi hands {device.resource} out, and the job's scheduler is Volcano: its pods may stay pending"
        others = "or use -t job" if device.sharing == "whole" else "use -t job, or choose whole devices"
        help_ = f"set cluster.hami_with_volcano=true if the platform wired the two, {others}"
        yield Finding(("hardware", "device", "resource"), message, help_)


def slices_do_not_talk(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Processes that talk to each other have whole devices.

    Two slices may lie on one card, and NCCL refuses two ranks on a device (`Duplicate GPU detected`).

    Wrong: hardware=alauda-vgpu devices=2
    Right: hardware=nvidia devices=2
    """
    device = spec.hardware.device
    if device is not None and device.sharing != "whole" and spec.processes > 1:
        message = f"{spec.processes} processes on slices of {device.resource}: two of one card cannot talk"
        related = (("nodes",), ("hardware", "device", "sharing"))
        yield Finding(("devices",), message, "use whole devices for more than one process", related)


# Rules on manifests.


_OURS = {"app.kubernetes.io/managed-by": "ftc"}


def slices_are_scheduled(step: Step) -> Iterator[Finding]:
    """A share of a device is asked of the scheduler that hands it out.

    HAMi's webhook leaves pods alone that name another scheduler, and Volcano knows no node with HAMi's names, unless a
    platform has wired the two; Volcano's own shares are known to Volcano only.
    Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go; Volcano, plugin deviceshare.

    Wrong: tests/corpus/bad/FTC864-share-of-another-scheduler.yaml
    Right: tests/corpus/good/FTC864-share-of-volcano.yaml
    """
    job = step.pod.job
    limits = step.container.resources.limits
    # Who hands the shares out, hands out the devices: their name may be that of whole ones, too.
    devices = asked(step.container)
    decisive = [name for name in limits if devices and _is_share_of(name, devices)] or list(limits)
    allocators = {kind.allocator for name in decisive for kind in _kinds(name)}
    scheduler = step.pod.spec.scheduler_name or (job.volcano.scheduler_name if job.volcano else "")
    ours = _OURS.items() <= job.metadata.labels.items()
    name = next((name for name in limits if {kind.allocator for kind in _kinds(name)} & allocators), "")
    if allocators == {"hami"} and job.kind is Kind.VOLCANO and scheduler in ("", "volcano") and not ours:
        message = f"HAMi hands {name} out, and the job's scheduler is Volcano: the pods may stay pending"
        help_ = "ask the platform whether it wired the two, or take whole devices"
        yield Finding(step.at("resources", "limits", name), message, help_, severity=Severity.WARNING)
    elif allocators == {"volcano"} and job.kind is not Kind.VOLCANO and scheduler in ("", "default-scheduler"):
        message = f"{name} is known to Volcano's scheduler only"
        yield Finding(step.at("resources", "limits", name), message, "write schedulerName: volcano")


def _is_share_of(name: str, devices: list[str]) -> bool:
    return {*devices} <= {kind.resource for kind in shares().get(name, ())}


def _kinds(name: str) -> tuple[Device, ...]:
    return shares()[name] if name in shares() else (kinds()[name],) if name in kinds() else ()


def slices_do_not_talk_in_manifests(run: Run) -> Iterator[Finding]:
    """Processes that talk to each other have whole devices.

    Two shares may lie on one device, and the collective library refuses two ranks on it (Duplicate GPU detected).
    Source: NCCL, init.cc.

    Wrong: tests/corpus/bad/FTC865-two-shares.yaml
    Right: tests/corpus/good/FTC865-one-share.yaml
    """
    for step, _ in run.launches:
        names = [name for name in step.container.resources.limits if name in shares()]
        names += [name for name in asked(step.container) if kinds()[name].sharing in ("partition", "replica")]
        processes = (step.devices or 1) * (run.job.total or 1)
        if names and processes >= MANY:
            message = f"{processes} processes on shares of devices: two on one device cannot talk to each other"
            yield Finding(step.at("resources", "limits", names[0]), message, "take whole devices")


RULES = (
    Rule("FTC308", "device-count-not-schedulable", count_can_be_scheduled, JobSpec),
    Rule("FTC309", "device-count-not-distributable", count_can_be_distributed, JobSpec),
    Rule("FTC310", "share-exceeds-device", share_fits_in_the_device, JobSpec),
    Rule("FTC311", "unknown-device-partition", partition_exists, JobSpec),
    Rule("FTC312", "volcano-devices-need-volcano-scheduler", volcano_hands_out, JobSpec, target="job"),
    Rule("FTC313", "hami-pod-privileged-or-bound-to-node", hami_sees_the_pod, JobSpec),
    Rule("FTC314", "download-requests-devices", downloads_hold_no_device, JobSpec, Severity.WARNING),
    Rule("FTC303", "hami-needs-its-scheduler", hami_needs_its_scheduler, JobSpec, Severity.WARNING, target="volcano"),
    Rule("FTC304", "device-share-in-distributed-training", slices_do_not_talk, JobSpec, Severity.WARNING),
    Rule("FTC864", "device-share-needs-its-scheduler", slices_are_scheduled, Step),
    Rule("FTC865", "device-share-between-peers", slices_do_not_talk_in_manifests, Run, Severity.WARNING),
)
