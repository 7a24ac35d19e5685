"""Rules on the memory of a device and its host: whether what is trained fits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.estimate.facts import read
from ftc.estimate.host import MERGING, Need, fetched, needs
from ftc.estimate.memory import Memory, estimate, is_shared, least, weights_alone
from ftc.estimate.remedy import MARGIN, Room, cheapest, fits
from ftc.estimate.sizes import Training
from ftc.plan.storage import downloads_in_memory
from ftc.rules.given import limit, memory_limit_at
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

_MIB = 1 << 20


_GIB = 1 << 30


_MEMORY = ("hardware", "device", "memory_mib")


RELATED: tuple[KeyPath, ...] = (("model", "architecture", "parameters"),)


def weights_fit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The weights that a device holds fit into its memory.

    They are loaded before the first step, so the run ends with `CUDA out of memory` (or the like) after the pods have
    started and the model was fetched. Trained weights count 4 bytes each, frozen ones 2, as LLaMA-Factory casts them
    (model/adapter.py); what ZeRO-3 and FSDP shard counts a part. Where the estimate does not cover the method, all
    count as frozen.

    Wrong: hardware=h800 model=qwen3-8b method=full-sft hardware.device.memory_mib=24576
    Right: hardware=h800 model=qwen3-8b hardware.device.memory_mib=24576 train.cutoff_len=512
    """
    device, (training, room) = spec.hardware.device, _known(spec)
    if device is None or device.memory_mib is None:
        return
    have = device.memory_mib * _MIB
    weights = least(spec) if training is None else weights_alone(training)
    if weights > have:
        message = f"the weights alone take {gib(weights)} of each device's {gib(have)}"
        help_ = _more(spec) if training is None or room is None else _help(training, room)
        yield Finding(_MEMORY, message, help_, RELATED)


def training_fits(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What a step needs fits into a device's memory, with room for an error of the estimate.

    A run that needs more ends with `CUDA out of memory` in its first steps, or in a later one with a longer batch. The
    estimate takes every sequence to be as long as cutoff_len; it was within 15 % of what LLaMA-Factory 0.9.5 used on
    H200 with LoRA and full tuning, DDP, ZeRO-2 and ZeRO-3. `ftc plan` prints its terms.

    Wrong: hardware=h800 model=qwen3-8b hardware.device.memory_mib=24576
    Right: hardware=h800 model=qwen3-8b
    """
    training, room = _known(spec)
    if training is None or room is None:
        return
    memory = estimate(training)
    if weights_alone(training) <= room.memory and not fits(training, room.memory):
        message = f"a step needs about {gib(memory.total)} of each device's {gib(room.memory)}{_left(memory, room)}"
        yield Finding(_MEMORY, f"{message}: {_terms(memory)}", _help(training, room), RELATED)


def host_has_room(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The container has memory for what the run keeps on the host.

    An engine that offloads keeps 16 bytes a trained parameter there with AdamW, and 2 more a parameter where those go
    too (DeepSpeed, runtime/zero/stage3.py, estimate_zero3_model_states_mem_needs); a merge on the CPU loads all
    weights, when the training is done. A container that takes more than its limit is killed (`OOMKilled`).

    Wrong: hardware=rtx-4090 model=qwen3-32b method=qlora-sft
    Right: hardware=rtx-4090 model=qwen3-32b method=qlora-sft hardware.memory_gib_per_device=80
    """
    downloads = fetched(spec) if downloads_in_memory(spec.storage) else 0
    staged = spec.storage.model_in_memory_gib
    room = int(limit(run, "memory")) - staged * _GIB - downloads
    need = max(needs(spec), key=lambda need: need.size, default=None)
    if need is None or need.size <= room:
        return
    fragment, enough = memory_limit_at(spec), (need.size * MARGIN + downloads) / _GIB
    path = fragment or ("hardware", "memory_gib_per_device")
    key = f"hardware.memory_gib_per_device={math.ceil(enough / spec.devices)}"
    help_ = f"set {math.ceil(enough) + staged}Gi" if fragment else f"set {key}"
    message = f"the container has {gib(room)} of memory and needs about {gib(need.size)} {need.purpose}"
    yield Finding(path, message, help_ + _instead(need), RELATED)


def _instead(need: Need) -> str:
    return ", or keep the adapter as it is: method.merge=null" if need.purpose == MERGING else ""


def _more(spec: JobSpec) -> str:
    other = "choose a device with more memory or a smaller model"
    return f"{other}, or {'more devices' if is_shared(spec) else 'share the weights: devices=… engine=deepspeed-z3'}"


def _known(spec: JobSpec) -> tuple[Training | None, Room | None]:
    device, training = spec.hardware.device, read(spec)
    if device is None or device.memory_mib is None or not isinstance(training, Training):
        return None, None
    return training, Room(
        memory=device.memory_mib * _MIB,
        nodes=spec.nodes,
        devices=spec.devices,
        devices_per_node=device.per_node or spec.devices,
        deepspeed=spec.hardware.deepspeed is not None,
        quantizes=spec.hardware.bitsandbytes or (),
    )


def gib(size: int) -> str:
    """Bytes as people compare them."""
    return f"{size / _GIB:.1f} GiB"


def _left(memory: Memory, room: Room) -> str:
    if memory.total > room.memory:
        return ""
    return f", which leaves {gib(room.memory - memory.total)}, and the estimate is within {100 * (MARGIN - 1):.0f} %"


def _terms(memory: Memory) -> str:
    """The terms, the largest first; what is too small to matter is left out."""
    found = {name: getattr(memory, name) for name in memory.__struct_fields__}
    shown = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / _GIB:.1f}" for name, size in shown if size * 50 > memory.total)


def _help(training: Training, room: Room) -> str:
    change = cheapest(training, room)
    if change is None and estimate(training).total <= room.memory:
        return "it may fit: try some steps, or choose a device with more memory or a smaller model"
    if change is None:
        return "nothing that ftc knows makes it fit: choose a device with more memory or a smaller model"
    return f"{' '.join(change.overrides)} makes it about {gib(estimate(change.training).total)}"


RULES = (
    Rule("FTC701", "weights-exceed-device-memory", weights_fit, JobSpec),
    Rule("FTC702", "training-exceeds-device-memory", training_fits, JobSpec, Severity.WARNING),
    Rule("FTC703", "host-memory-too-small", host_has_room, JobSpec, Severity.WARNING),
)
