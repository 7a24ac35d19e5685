"""Rules on device counts, shares and partitions, and on the schedulers that allocate devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.accelerators import Kind as Device
from ftc.accelerators import counts, kinds, largest_shares, shares
from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import amount, requested_devices
from ftc.manifests.objects import Kind
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import MANY
from ftc.plan.train import NAME
from ftc.rules.given import pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import UNGANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def count_can_be_scheduled(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The scheduler or device plugin accepts the number of devices per node.

    Some vendors' schedulers place a pod only within a ring or a module of chips. With any other number the pod stays
    pending, or the device plugin rejects it. `ftc lint` knows the chip only from the name of the resource and the
    nodeSelector, and warns.
    Source: Ascend/mind-cluster, affinity scheduling; Project-HAMi/HAMi, pkg/device.

    Wrong: hardware=ascend-910a-mindcluster devices=3
    Right: hardware=ascend-910a-mindcluster devices=4
    """
    device = spec.hardware.device
    if device is not None and device.counts and spec.devices not in device.counts:
        message = _not_allocated(spec.devices, device.resource)
        yield Finding(("devices",), message, f"{_numbers(device.counts)}; or set hardware.device.counts")


def _not_allocated(number: int, name: str) -> str:
    return f"the scheduler does not allocate {number} of {name} on one node"


def count_can_be_distributed(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job of several nodes requests a number of devices per node that can be distributed.

    If chips come in pairs, a job of several nodes takes whole pairs.
    Source: Ascend/mind-cluster, affinity scheduling.

    Wrong: hardware=ascend-910c-mindcluster nodes=2 devices=1
    Right: hardware=ascend-910c-mindcluster nodes=2 devices=16
    """
    device = spec.hardware.device
    if spec.nodes == 1 or device is None or not device.counts_across_nodes:
        return
    if spec.devices not in device.counts_across_nodes and (not device.counts or spec.devices in device.counts):
        message = f"{spec.devices} of {device.resource} per node cannot be scheduled on {spec.nodes} nodes"
        yield Finding(("devices",), message, f"{_numbers(device.counts_across_nodes)} in a job of several nodes")


def _numbers(counts: tuple[int, ...]) -> str:
    return f"a node takes {', '.join(str(count) for count in counts)}"


def share_fits_in_the_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A share of a device is not larger than the device.

    A share applies to each device: a percentage goes up to 100, and memory up to the memory of one device. HAMi's
    webhook rejects a larger share, or no node can provide it.
    Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go and pkg/device.

    Wrong: hardware=nvidia-hami hardware.device.slices.cores.quantity=200
    Right: hardware=nvidia-hami hardware.device.slices.cores.quantity=100
    """
    device = spec.hardware.device
    for name, share in device.slices.items() if device else ():
        if share.max is not None and share.quantity > share.max:
            path = ("hardware", "device", "slices", name, "quantity")
            yield Finding(path, *_too_large(share.quantity, share.resource, share.max))


def _too_large(quantity: str | float, name: str, most: int) -> tuple[str, str]:
    return f"{quantity} of {name} is more than one device has", f"use at most {most}; a share applies to each device"


# A percentage is smaller, and so is the memory of a device in GiB.
_LEAST_MIB = 1024


def slice_has_one_size(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The estimate of the memory is about the slice that the pod requests.

    The pod requests `hardware.device.slices.memory.quantity`, and the shipped options derive memory_mib from it.
    Another `hardware.device.memory_mib` changes only the estimate: the slice keeps its size. A quantity of less than
    1024 is not in MiB, and is not checked.
    Source: ftc, conf/hardware.

    Wrong: hardware=volcano-vgpu hardware.device.memory_mib=12288
    Right: hardware=volcano-vgpu hardware.device.slices.memory.quantity=12288
    """
    device = spec.hardware.device
    memory = device.slices.get("memory") if device is not None else None
    if device is None or device.memory_mib is None or memory is None or memory.quantity < _LEAST_MIB:
        return
    if device.memory_mib != memory.quantity:
        message = f"{device.memory_mib} MiB is not the size of the slice, {memory.quantity} MiB of {memory.resource}"
        help_ = f"set hardware.device.slices.memory.quantity={device.memory_mib} instead"
        related = (("hardware", "device", "slices", "memory", "quantity"),)
        yield Finding(("hardware", "device", "memory_mib"), message, help_, related)


def partition_exists(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The device supports the partition and has its memory.

    If no node offers the resource, the pod stays pending.
    Source: NVIDIA/k8s-device-plugin, README; Ascend/mind-cluster, constants.go.

    Wrong: hardware=a100-80gb-mig hardware.device.resource=nvidia.com/mig-1g.5gb
    Right: hardware=a100-80gb-mig hardware.device.resource=nvidia.com/mig-1g.10gb hardware.device.memory_mib=10240
    """
    device = spec.hardware.device
    if device is None or not device.profiles:
        return
    known = {profile.resource: profile.memory_mib for profile in device.profiles}
    if device.resource not in known:
        message = f"the device does not support the partition {device.resource}"
        yield Finding(("hardware", "device", "resource"), message, f"it supports {', '.join(known)}")
    elif device.memory_mib != known[device.resource]:
        message = f"{device.resource} does not have {device.memory_mib} MiB"
        yield Finding(("hardware", "device", "memory_mib"), message, f"set it to {known[device.resource]}")


def volcano_devices_need_volcano(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Devices that the Volcano scheduler allocates need pods that Volcano schedules.

    Another scheduler does not find a node for them, or does not write the annotation that names the chosen devices.
    Remove `hardware.device.allocator` if ascend-volcano-plugin is not installed.
    Source: volcano-sh/volcano, docs/user-guide and plugin deviceshare; Ascend/mind-cluster.

    Wrong: hardware=volcano-vgpu
    Right: hardware=volcano-vgpu cluster.gang_jobs=true
    """
    device = spec.hardware.device
    if device is not None and device.allocator == "volcano" and not spec.cluster.gang_jobs:
        help_ = "use -t volcano, or set cluster.gang_jobs=true"
        yield Finding(("hardware", "device", "allocator"), _only_volcano(device.resource), help_)


def _only_volcano(name: str) -> str:
    return f"only the Volcano scheduler allocates {name}, but the Kubernetes scheduler places the pods"


def hami_admits_the_pod(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A pod with devices of HAMi is neither privileged nor bound to a node.

    HAMi's webhook rejects such a pod: a privileged container sees all devices of the node, and `nodeName` bypasses the
    scheduler.
    Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go.

    Wrong: hardware=nvidia-hami pod.spec.nodeName=gpu-1
    Right: hardware=nvidia-hami 'pod.spec.nodeSelector={gpu: "on"}'
    """
    device = spec.hardware.device
    if device is None or device.allocator != "hami":
        return
    for path, pod in pods(spec):
        if "nodeName" in pod:
            yield Finding((*path, "nodeName"), "HAMi rejects a pod that is bound to a node", "use nodeSelector")
        for container in pod.get("containers", []):
            if container["name"] == NAME and container.get("securityContext", {}).get("privileged") is True:
                message = "HAMi rejects a privileged container with its devices"
                yield Finding((*path, "containers"), message, "add only the capabilities that it needs")


def hami_needs_its_scheduler(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The HAMi scheduler places pods with devices of HAMi.

    HAMi's webhook ignores pods of another scheduler, and upstream Volcano cannot place HAMi's slices unless the
    platform integrates the two: the pods may stay pending. `ftc lint` does not report a job that ftc compiled, because
    compile knows `cluster.hami_with_volcano`.
    Source: Project-HAMi/HAMi, pkg/scheduler/webhook.go.

    Wrong: hardware=alauda-vgpu
    Right: hardware=alauda-vgpu cluster.hami_with_volcano=true
    """
    device = spec.hardware.device
    if device is not None and device.allocator == "hami" and not spec.cluster.hami_with_volcano:
        others = "or use -t job" if device.sharing == "whole" else "use -t job, or use whole devices"
        help_ = f"set cluster.hami_with_volcano=true if your platform integrates the two, {others}"
        yield Finding(("hardware", "device", "resource"), _hami_allocates(device.resource), help_)


def _hami_allocates(name: str) -> str:
    return f"HAMi allocates {name}, but the job uses the Volcano scheduler: its pods may stay pending"


def distributed_processes_have_whole_devices(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Distributed training uses whole devices.

    Two slices may be on the same card, and NCCL rejects two ranks on one device (`Duplicate GPU detected`).
    Source: NCCL, init.cc.

    Wrong: hardware=alauda-vgpu devices=2
    Right: hardware=nvidia devices=2
    """
    device = spec.hardware.device
    if device is not None and device.sharing != "whole" and spec.processes > 1:
        message = (
            f"{spec.processes} processes use slices of {device.resource}, and two slices of one card cannot communicate"
        )
        related = (("nodes",), ("hardware", "device", "sharing"))
        yield Finding(("devices",), message, "use whole devices for more than one process", related)


# Rules on manifests.


_MADE_BY_FTC = {"app.kubernetes.io/managed-by": "ftc"}


def count_can_be_scheduled_in_manifests(step: Step) -> Iterator[Finding]:
    """The containers of a manifest request numbers of devices that their scheduler or device plugin accepts."""
    devices, limits = requested_devices(step.container), step.container.resources.limits
    number = step.devices
    if number and not step.init:
        volcano = _scheduler(step) == "volcano" or (step.pod.job.kind is Kind.VOLCANO and not _scheduler(step))
        accepted = counts(devices[0], limits, step.pod.spec.node_selector, by_volcano=volcano)
        if accepted and number not in accepted:
            message = _not_allocated(number, devices[0])
            place = step.at("resources", "limits" if devices[0] in limits else "requests", devices[0])
            yield Finding(place, message, _numbers(accepted), severity=Severity.WARNING)


def share_fits_in_the_device_in_manifests(step: Step) -> Iterator[Finding]:
    """The shares in a manifest are not larger than a device."""
    for name, value in step.container.resources.limits.items():
        most, quantity = largest_shares().get(name), amount(value)
        if most is not None and quantity is not None and quantity > most:
            yield Finding(step.at("resources", "limits", name), *_too_large(value, name, most))


def hami_needs_its_scheduler_in_manifests(step: Step) -> Iterator[Finding]:
    """A VolcanoJob of a manifest does not use the Volcano scheduler for devices of HAMi."""
    job = step.pod.job
    ours = _MADE_BY_FTC.items() <= job.metadata.labels.items()
    if job.kind is Kind.VOLCANO and _scheduler(step) in ("", "volcano") and not ours:
        for name in _allocated_by("hami", step):
            help_ = "check that your platform integrates the two, or use whole devices"
            yield Finding(step.at("resources", "limits", name), _hami_allocates(name), help_)


# Their controllers set the scheduler of the pods if they are installed with gang scheduling.
_SETS_SCHEDULER = ("PyTorchJob", "MPIJob", "RayJob", "RayCluster")


def volcano_devices_need_volcano_in_manifests(step: Step) -> Iterator[Finding]:
    """The pods of a manifest with shares of Volcano use the Volcano scheduler."""
    manifest = step.pod.job.object
    if manifest.kind is Kind.VOLCANO or manifest.document.data.get("kind") in _SETS_SCHEDULER:
        return
    if _scheduler(step) in ("", "default-scheduler"):
        for name in _allocated_by("volcano", step):
            yield Finding(step.at("resources", "limits", name), _only_volcano(name), "set schedulerName: volcano")


def _scheduler(step: Step) -> str:
    volcano = step.pod.job.volcano
    return step.pod.spec.scheduler_name or (volcano.scheduler_name if volcano else "")


def _allocated_by(allocator: str, step: Step) -> list[str]:
    """The first limit of the devices or shares that only this scheduler allocates; empty if the container has none.

    The scheduler that allocates the shares also allocates the devices, whose name may be that of whole devices.
    """
    limits = step.container.resources.limits
    devices = requested_devices(step.container)
    decisive = [name for name in limits if devices and _is_share_of(name, devices)] or list(limits)
    if {kind.allocator for name in decisive for kind in _kinds(name)} != {allocator}:
        return []
    found = [name for name in limits if allocator in {kind.allocator for kind in _kinds(name)}]
    return ([name for name in found if name in devices] or found)[:1]


def _is_share_of(name: str, devices: list[str]) -> bool:
    return {*devices} <= {kind.resource for kind in shares().get(name, ())}


def _kinds(name: str) -> tuple[Device, ...]:
    return shares()[name] if name in shares() else (kinds()[name],) if name in kinds() else ()


def distributed_processes_have_whole_devices_in_manifests(run: Run) -> Iterator[Finding]:
    """Distributed training uses whole devices.

    Two shares may be on the same device, and NCCL rejects two ranks on one device (`Duplicate GPU detected`).
    Source: NCCL, init.cc.

    Wrong: tests/corpus/bad/FTC865-two-shares.yaml
    Right: tests/corpus/good/FTC865-one-share.yaml
    """
    for step, _ in run.launches:
        names = [name for name in step.container.resources.limits if name in shares()]
        names += [
            name for name in requested_devices(step.container) if kinds()[name].sharing in ("partition", "replica")
        ]
        processes = (step.devices or 1) * (run.job.total or 1)
        if names and processes >= MANY:
            message = f"{processes} processes use shares of devices, and two shares of one device cannot communicate"
            yield Finding(step.at("resources", "limits", names[0]), message, "use whole devices")


RULES = (
    Rule(
        "FTC308",
        "device-count-not-schedulable",
        count_can_be_scheduled,
        JobSpec,
        in_manifests=(count_can_be_scheduled_in_manifests, Step),
    ),
    Rule("FTC309", "device-count-not-distributable", count_can_be_distributed, JobSpec),
    Rule(
        "FTC310",
        "share-exceeds-device",
        share_fits_in_the_device,
        JobSpec,
        in_manifests=(share_fits_in_the_device_in_manifests, Step),
    ),
    Rule("FTC732", "slice-with-two-sizes", slice_has_one_size, JobSpec),
    Rule("FTC311", "unknown-device-partition", partition_exists, JobSpec),
    Rule(
        "FTC312",
        "volcano-devices-need-volcano-scheduler",
        volcano_devices_need_volcano,
        JobSpec,
        target=UNGANGED,
        in_manifests=(volcano_devices_need_volcano_in_manifests, Step),
    ),
    Rule("FTC313", "hami-pod-privileged-or-bound-to-node", hami_admits_the_pod, JobSpec),
    Rule(
        "FTC303",
        "hami-needs-its-scheduler",
        hami_needs_its_scheduler,
        JobSpec,
        Severity.WARNING,
        target="volcano",
        in_manifests=(hami_needs_its_scheduler_in_manifests, Step),
    ),
    Rule(
        "FTC304",
        "device-share-in-distributed-training",
        distributed_processes_have_whole_devices,
        JobSpec,
        Severity.WARNING,
    ),
    Rule(
        "FTC865",
        "device-share-in-distributed-job",
        distributed_processes_have_whole_devices_in_manifests,
        Run,
        Severity.WARNING,
    ),
)
