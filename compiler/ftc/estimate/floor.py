"""A lower bound for methods that the estimate does not cover: the weights of the base model."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.estimate.engines import HALF, leaves
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.trainer import deepspeed
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec

_ZERO_3 = 3


def least(spec: JobSpec) -> int:
    """Bytes per device: 2 per parameter, or its quantized bits; 0 if unknown.

    It is unknown with KTransformers, which keeps experts on the host, and with a device map, which spreads layers over
    the devices of a process.
    """
    arguments = chosen(spec)
    if not spec.trains or spec.model is None or spec.model.architecture is None:
        return 0
    if arguments.get("use_kt") is True or "quantization_device_map" in arguments:
        return 0
    bits = arguments.get("quantization_bit")
    count = spec.model.architecture.parameters
    size = HALF * count if bits is None else count * bits // 8 if type(bits) is int and bits > 0 else 0
    return _part(spec, size)


def is_shared(spec: JobSpec) -> bool:
    """Whether each process holds a shard of the weights."""
    engine = spec.engine
    if isinstance(engine, DeepSpeed):
        zero = deepspeed.config(engine)["zero_optimization"]
        return isinstance(zero, dict) and zero.get("stage") == _ZERO_3
    return isinstance(engine, Fsdp)


def _part(spec: JobSpec, size: int) -> int:
    match spec.engine:
        case Ddp():
            return size
        case DeepSpeed():
            zero = deepspeed.config(spec.engine)["zero_optimization"]
            elsewhere = not isinstance(zero, dict) or leaves(zero, "param")
        case Fsdp():
            elsewhere = spec.engine.offload
        case _:
            assert_never(spec.engine)
    if elsewhere:
        return 0
    return size // (spec.nodes * spec.devices) if is_shared(spec) else size
