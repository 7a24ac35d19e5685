"""Rules on memory: whether the training fits into the device and the host, and whether the sizes are of its model."""

from __future__ import annotations

import math
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.estimate.facts import Training, assumed
from ftc.estimate.host import MERGING, Need, fetched, needs
from ftc.estimate.memory import Memory, estimate, is_shared, least, weights_alone
from ftc.estimate.reading import read
from ftc.estimate.remedy import MARGIN, Room, cheapest, fits
from ftc.plan.storage import downloads_in_memory
from ftc.rules.given import Origins, limit, memory_limit_at
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


_MIB = 1 << 20
_GIB = 1 << 30
_MEMORY = ("hardware", "device", "memory_mib")


RELATED: tuple[KeyPath, ...] = (("model", "architecture", "parameters"),)


def weights_exceed_device_memory(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The weights fit into the memory of the device.

    They are loaded before the first step, so the run would end with `CUDA out of memory` (or similar) after the pods
    have started and the model is downloaded. Trained weights take 4 bytes per parameter, frozen ones 2, as
    LLaMA-Factory casts them; ZeRO-3 and FSDP shard them. If the estimate does not cover the method, all weights count
    as frozen.
    Source: LLaMA-Factory, model/adapter.py.

    Wrong: hardware=h800 model=qwen3-8b method=full-sft hardware.device.memory_mib=24576
    Right: hardware=h800 model=qwen3-8b hardware.device.memory_mib=24576 train.cutoff_len=512
    """
    device, (training, room) = spec.hardware.device, _known(spec)
    if device is None or device.memory_mib is None:
        return
    have = device.memory_mib * _MIB
    weights = least(spec) if training is None else weights_alone(training)
    if weights > have:
        how = ", if all are frozen" if training is None else ""
        message = f"the weights alone need {gib(weights)}{how}, but each device has {gib(have)}"
        help_ = _more(spec) if training is None or room is None else _help(spec, training, room)
        yield Finding(_MEMORY, message, help_, RELATED)


def training_exceeds_device_memory(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A training step fits into the memory of the device, with a margin for errors of the estimate.

    A run that needs more ends with `CUDA out of memory` in its first steps, or later with a longer batch. The message
    says what the estimate assumes: that every sequence has cutoff_len tokens, that a reference model is as large as
    the model, and so on. `ftc plan` prints its terms.
    Source: measured on H200 with LLaMA-Factory 0.9.5 in 55 runs: LoRA, QLoRA, freeze and full tuning; SFT, DPO, KTO and
    reward models; liger-kernel, experts, sliding and linear attention; DDP, ZeRO and FSDP2: within 15 %.

    Wrong: hardware=h800 model=qwen3-8b hardware.device.memory_mib=24576
    Right: hardware=h800 model=qwen3-8b
    """
    training, room = _known(spec)
    if training is None or room is None:
        return
    memory = estimate(training)
    if weights_alone(training) <= room.memory and not fits(training, room.memory):
        need = f"with {assumed(training)}, a step needs about {gib(memory.total)}"
        message = f"{need}, and each device has {gib(room.memory)}{_left(memory, room)}: {_terms(memory)}"
        yield Finding(_MEMORY, message, _help(spec, training, room), RELATED)


def host_memory_too_small(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The memory of the container suffices for the data that the run keeps on the host.

    An engine that offloads keeps 16 bytes per trained parameter on the host with AdamW, and 2 more per parameter if it
    offloads the parameters too. A merge on the CPU loads all weights after the training. A container that exceeds its
    limit is killed (`OOMKilled`).
    Source: DeepSpeed, runtime/zero/stage3.py (estimate_zero3_model_states_mem_needs).

    Wrong: hardware=rtx-4090 model=qwen3-32b method=qlora-sft
    Right: hardware=rtx-4090 model=qwen3-32b method=qlora-sft hardware.memory_gib_per_device=80
    """
    downloads = fetched(spec) if downloads_in_memory(spec.storage) else 0
    staged = spec.storage.model_in_memory_gib
    room = int(limit(run, "memory")) - staged * _GIB - downloads
    need = max(needs(spec), key=lambda need: need.size, default=None)
    if need is None or need.size <= room:
        return
    fragment, enough = memory_limit_at(run), (need.size * MARGIN + downloads) / _GIB
    path = fragment or ("hardware", "memory_gib_per_device")
    key = f"hardware.memory_gib_per_device={math.ceil(enough / spec.devices)}"
    help_ = f"set {math.ceil(enough) + staged}Gi" if fragment else f"set {key}"
    message = f"the container has {gib(room)} of memory, but needs about {gib(need.size)} {need.purpose}"
    yield Finding(path, message, help_ + _instead(need), RELATED)


def _instead(need: Need) -> str:
    return ", or do not merge the adapter: method.merge=null" if need.purpose == MERGING else ""


def _more(spec: JobSpec) -> str:
    other = "choose a device with more memory or a smaller model"
    if spec.hardware.device is not None and spec.hardware.device.sharing != "whole":
        return other  # parts of devices cannot train together
    return f"{other}, or {'more devices' if is_shared(spec) else 'shard the weights: devices=… engine=deepspeed-z3'}"


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
        whole=device.sharing == "whole",
    )


def gib(size: int) -> str:
    """A size in bytes as text."""
    return f"{size / _GIB:.1f} GiB"


def _left(memory: Memory, room: Room) -> str:
    if memory.total > room.memory:
        return ""
    left, margin = gib(room.memory - memory.total), f"{100 * (MARGIN - 1):.0f} %"
    return f", which leaves only {left}, and the estimate may be off by {margin}"


def _terms(memory: Memory) -> str:
    """The terms, largest first, without those that are too small to matter."""
    found = {name: getattr(memory, name) for name in memory.__struct_fields__}
    shown = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / _GIB:.1f}" for name, size in shown if size * 50 > memory.total)


def _help(spec: JobSpec, training: Training, room: Room) -> str:
    change, larger = cheapest(training, room), _larger_slice(spec, training)
    if change is None and larger:
        return f"request a larger slice: {larger}"
    if change is None and estimate(training).total <= room.memory:
        return "it may fit: try some steps, or choose a device with more memory or a smaller model"
    if change is None:
        return "choose a device with more memory or a smaller model: no other setting makes it fit"
    help_ = f"{' '.join(change.overrides)} reduces it to about {gib(estimate(change.training).total)}"
    return f"{help_}; or request a larger slice: {larger}" if larger else help_


def _larger_slice(spec: JobSpec, training: Training) -> str:
    """The size of a slice in which the training fits; empty if the device is whole or smaller than that."""
    device = spec.hardware.device
    memory = device.slices.get("memory") if device is not None else None
    if device is None or memory is None or memory.quantity != device.memory_mib:
        return ""
    enough = math.ceil(estimate(training).total * MARGIN / _GIB) * 1024
    too_large = memory.max is not None and enough > memory.max
    return "" if too_large else f"hardware.device.slices.memory.quantity={enough}"


def sizes_of_another_model(found: Origins) -> Iterator[Finding]:
    """A model has its own sizes, not those of the option that another id replaces.

    `model.architecture` is from the config.json of one model. With another `model.id` the estimate of the memory, and
    every rule that reads the sizes, would be about a model that does not run. For a copy with the same sizes, such as
    your own fine-tuned model, write an option that extends the original one.
    Source: ftc, conf/model.

    Wrong: model.id=Qwen/Qwen3-8B
    Right: model=qwen3-8b
    """
    model = found.spec.model
    own, sizes = ("model", "id"), ("model", "architecture")
    if model is None or model.architecture is None or not found.is_of_run(own):
        return
    keys = (sizes, *((*sizes, name) for name in ("parameters", "layers", "hidden_size")))
    if max(map(found.rank, keys)) >= found.rank(own):
        return
    options = {str(id_).casefold(): option for option, id_ in found.ids("model").items()}
    option = options.get(model.id.casefold())
    place = found.position(sizes)
    if option is not None and place is not None and PurePath(place.source).stem == option:
        return
    other = shlex.join(("model=custom", f"model.id={model.id}", f"model.template={model.template}"))
    message = f"is another model than the one whose sizes model.architecture has ({model.architecture.layers} layers)"
    yield Finding(own, message, f"use {f'model={option}' if option else other}", (sizes,))


RULES = (
    Rule("FTC701", "weights-exceed-device-memory", weights_exceed_device_memory, JobSpec),
    Rule("FTC702", "training-exceeds-device-memory", training_exceeds_device_memory, JobSpec, Severity.WARNING),
    Rule("FTC703", "host-memory-too-small", host_memory_too_small, JobSpec, Severity.WARNING),
    Rule("FTC705", "sizes-of-another-model", sizes_of_another_model, Origins),
)
