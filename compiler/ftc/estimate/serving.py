"""How many devices serve a model, and how long its conversations may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.estimate.engines import HALF, MIB

if TYPE_CHECKING:
    from ftc.spec.cluster import Device
    from ftc.spec.job import JobSpec
    from ftc.spec.model import Architecture

# vLLM's default of --gpu-memory-utilization; then what it needs for activations, CUDA graphs and the context.
_USED = 0.9
_RESERVED = 2048 * MIB
# Conversations of fewer tokens are of no use, so more devices are tried before.
_SHORTEST = 4096
# vLLM allocates the cache in blocks of tokens.
_BLOCK = 256


class Size(msgspec.Struct, frozen=True):
    """The devices of one replica, and the most tokens of a conversation; None if the model or device is unknown."""

    devices: int
    length: int | None = None


def size(spec: JobSpec) -> Size | str:
    """The fewest devices, from `devices` on, that hold the weights in 16 bits and a conversation; else why none do."""
    model, device = spec.model.architecture if spec.model else None, spec.hardware.device
    if spec.nodes > 1:
        return f"the pods of one node serve a model, but nodes is {spec.nodes}: set nodes=1"
    if device is not None and device.per_node is not None and spec.devices > device.per_node:
        return f"devices is {spec.devices}, but a node has {_devices(device.per_node)}: set fewer devices"
    if device is None or device.memory_mib is None or model is None:
        return Size(spec.devices)
    tried = [number for number in _numbers(device, spec.devices) if _divides(model, number)]
    if not tried:
        return _undivided(model, device, spec.devices)
    for number in tried:
        length = _length(model, number, device.memory_mib * MIB)
        if length >= min(_SHORTEST, model.context_length):
            return Size(number, length)
    need, have = HALF * model.parameters / 2**30, device.memory_mib / 2**10
    why = f"the weights need {need:.1f} GiB, and a node has {_devices(tried[-1])} of {have:.0f} GiB"
    return f"{why}: choose hardware with more memory, or a smaller model"


def _undivided(model: Architecture, device: Device, least: int) -> str:
    """The numbers of devices that work."""
    numbers = [str(number) for number in _numbers(device, 1) if _divides(model, number)]
    heads = f"{model.attention_heads} heads of queries and {model.kv_heads} of keys"
    help_ = f"set devices to {' or '.join(numbers)}" if numbers else "choose other hardware"
    return f"the {heads} cannot be split between {_devices(least)} or more: {help_}"


def _devices(number: int) -> str:
    return f"{number} device{'s' if number > 1 else ''}"


def _numbers(device: Device, least: int) -> list[int]:
    """The numbers of devices of one node; parts of a device do not work together."""
    if device.sharing != "whole":
        return [least]
    most = max(device.per_node or least, least)
    return [number for number in device.counts or range(1, most + 1) if least <= number <= most]


def _divides(model: Architecture, number: int) -> bool:
    """Whether the heads can be split: vLLM repeats those of keys if there are fewer than devices."""
    keys = model.kv_heads % number == 0 or number % model.kv_heads == 0
    return model.attention_heads % number == 0 and keys


def _length(model: Architecture, number: int, memory: int) -> int:
    """The tokens whose keys and values fit next to the weights."""
    free = int(_USED * memory) - _RESERVED - HALF * model.parameters // number
    token = 2 * HALF * model.layers * max(model.kv_heads // number, 1) * model.head_size
    return max(min(free // token // _BLOCK * _BLOCK, model.context_length), 0)
