"""Rules on devices, memory and precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def node_has_devices(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A pod asks for no more devices than a node has.

    A pod runs on one node: one that asks for more stays pending for ever (`Insufficient …`). hardware.device.per_node
    is what the nodes have.

    Wrong: devices=16
    Right: nodes=2 devices=8
    """
    device = spec.hardware.device
    if device is not None and device.per_node is not None and spec.devices > device.per_node:
        message = f"asks for {spec.devices}, and a node has {device.per_node}"
        help_ = f"use nodes=… with devices={device.per_node} at most"
        yield Finding(("devices",), message, help_, (("hardware", "device", "per_node"),))


def shm_fits_in_memory(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Shared memory leaves room for the processes.

    Pages of an emptyDir of medium Memory count against the container's limit (Kubernetes, volumes: emptyDir), so a run
    that fills it is killed (OOMKilled).

    Wrong: hardware.shm_gib_per_device=64
    Right: hardware.shm_gib_per_device=32
    """
    hardware = spec.hardware
    if hardware.shm_gib_per_device >= hardware.memory_gib_per_device:
        message = f"{hardware.shm_gib_per_device} GiB leave nothing of {hardware.memory_gib_per_device} GiB of memory"
        memory = ("hardware", "memory_gib_per_device")
        yield Finding(("hardware", "shm_gib_per_device"), message, "raise hardware.memory_gib_per_device", (memory,))


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


def slices_are_other_resources(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Each resource of a device has its own name.

    A resource stands once in a container's limits: of two quantities under one name, one would be lost.

    Wrong: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpumem
    Right: hardware=alauda-vgpu hardware.device.resource=nvidia.com/gpu
    """
    device = spec.hardware.device
    if device is None:
        return
    taken = {device.resource}
    for name, share in device.slices.items():
        if share.resource in taken:
            message = f"{share.resource} is counted already"
            path = ("hardware", "device", "slices", name, "resource")
            yield Finding(path, message, "name another resource", (("hardware", "device", "resource"),))
        taken.add(share.resource)


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


def precision_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chip has the precision that the run trains in.

    A chip without bf16 runs it emulated, slowly and without a word (torch.cuda.is_bf16_supported).

    Wrong: hardware.bf16=false
    Right: hardware.bf16=false train.bf16=false train.fp16=true
    """
    if not spec.trains:
        return
    arguments = chosen(spec)
    able = {"bf16": spec.hardware.bf16, "fp16": spec.hardware.fp16}
    for name in [n for n, has in able.items() if arguments.get(n) is True and has is False]:
        other = "fp16" if name == "bf16" else "bf16"
        help_ = f"set train.{name}=false train.{other}=true"
        yield Finding(set_at(spec, name), f"the hardware has no {name}", help_, (("hardware", name),))


RULES = (
    Rule("FTC301", node_has_devices),
    Rule("FTC302", shm_fits_in_memory),
    Rule("FTC303", hami_needs_its_scheduler, Severity.WARNING, target="volcano"),
    Rule("FTC304", slices_do_not_talk, Severity.WARNING),
    Rule("FTC306", precision_of_the_chip),
    Rule("FTC307", slices_are_other_resources, needed=True),
)
