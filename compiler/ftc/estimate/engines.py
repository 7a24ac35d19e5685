"""What an engine keeps of a training on each device, and what it adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from ftc.estimate import sizes
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.trainer import deepspeed

if TYPE_CHECKING:
    from ftc.estimate.training import Training
    from ftc.spec.base import Json

MIB = 1 << 20
HALF = 2
FULL = 4
# What the driver counts beside PyTorch's allocator: context, kernels, libraries; then NCCL's channels; then DeepSpeed's
# kernels and communicators. Measured on H200 with CUDA 13 in nine, two and three runs, each the same to 0.01 GiB.
_CONTEXT = 1382 * MIB
_COLLECTIVE = 840 * MIB
_DEEPSPEED = 492 * MIB
# bitsandbytes at 4 bits, with a scale of 8 bits for 64 weights (bnb_4bit_use_double_quant); others come near.
_SCALES = 1.032


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One process's part, in bytes.

    `loaded` are the weights before the engine takes them. `gradients` are there when all are made, `keeps_gradients`
    says also before. `buffers` are there always, `working` while the model computes, `step` in the optimizer's step;
    `block` is the largest piece of that. `context` lies outside of PyTorch's allocator.
    """

    weights: int
    optimizer: int
    gradients: int
    context: int
    loaded: int = 0
    keeps_gradients: bool = False
    buffers: int = 0
    working: int = 0
    step: int = 0
    block: int = 0


def share(training: Training) -> Share:
    """The part of the training's engine."""
    match training.engine:
        case Ddp():
            return _ddp(training)
        case DeepSpeed(stage=0):
            return _unsharded(training)
        case DeepSpeed(stage=2):
            return _zero_2(training, deepspeed.config(training.engine)["zero_optimization"])
        case DeepSpeed():
            return _zero_3(training, deepspeed.config(training.engine)["zero_optimization"])
        case Fsdp():
            return _fsdp(training, offload=training.engine.offload)
        case _:
            assert_never(training.engine)


def frozen(training: Training) -> int:
    """The bytes of the weights that are not trained: of 16 bits, or the layers' quantised."""
    model = training.architecture
    if training.adapter_rank is None:
        return HALF * (model.parameters - sizes.trained(training))
    layers = model.parameters - sizes.embeddings(model)
    bits = training.quantized_bits
    return HALF * sizes.embeddings(model) + (int(layers * bits / 8 * _SCALES) if bits else HALF * layers)


def _ddp(training: Training) -> Share:
    """All of everything; DDP's buckets are a copy of every gradient (PyTorch, reducer.cpp).

    The gradients of an embedding that is also the output layer are added up from two (autograd's input buffer).
    """
    tuned = sizes.trained(training)
    width = FULL if training.mixed else HALF
    several = training.processes > 1
    full = training.adapter_rank is None
    twice = width * sizes.embedding(training.architecture) if full and training.architecture.tied_embeddings else 0
    return Share(
        weights=frozen(training) + width * tuned,
        optimizer=training.optimizer_bytes * tuned,
        gradients=width * tuned,
        context=_CONTEXT + several * _COLLECTIVE,
        buffers=several * width * tuned,
        step=max(twice, training.step_bytes * tuned),
    )


def _unsharded(training: Training) -> Share:
    """Stage 0: 16-bit weights and gradients, both in fp32 too (DeepSpeed, runtime/fp16/unfused_optimizer.py)."""
    tuned = sizes.trained(training)
    return Share(
        weights=frozen(training) + (HALF + FULL) * tuned,
        optimizer=training.optimizer_bytes * tuned,
        gradients=(HALF + FULL) * tuned,
        context=_CONTEXT + _COLLECTIVE + _DEEPSPEED,
        loaded=_loaded(training),
        step=training.step_bytes * tuned,
    )


def _loaded(training: Training) -> int:
    """LLaMA-Factory loads to the device, and trained weights become fp32 there (model/patcher.py, model/adapter.py)."""
    return frozen(training) + (FULL if training.mixed else HALF) * sizes.trained(training)


def _zero_2(training: Training, zero: Json) -> Share:
    """16-bit weights, and of the rest a part (DeepSpeed 0.18.4, runtime/zero/stage_1_and_2.py).

    The step flattens the part's gradients and then casts them to fp32. With the optimizer on the host the gradients
    leave the device as they are made, by a buffer of the largest.
    """
    tuned = sizes.trained(training)
    part = _part(training, tuned)
    bucket = HALF * int(zero["reduce_bucket_size"])
    on_host = leaves(zero, "optimizer")
    base = Share(
        weights=frozen(training) + HALF * tuned,
        optimizer=0,
        gradients=0,
        context=_CONTEXT + _COLLECTIVE + _DEEPSPEED,
        loaded=_loaded(training),
        working=bucket + (HALF * min(tuned, sizes.embedding(training.architecture)) if on_host else 0),
    )
    if on_host:
        return base
    return msgspec.structs.replace(
        base,
        weights=base.weights + FULL * part,
        optimizer=training.optimizer_bytes * part,
        gradients=HALF * part,
        step=(HALF + FULL + training.step_bytes) * part,
        block=FULL * part,
    )


def _zero_3(training: Training, zero: Json) -> Share:
    """A part of everything; weights are gathered to be used (DeepSpeed 0.18.4, runtime/zero/stage3.py).

    What is gathered stays until `stage3_max_live_parameters`, as it is soon used again. The step goes group by group.
    """
    tuned = sizes.trained(training)
    part = _part(training, tuned)
    group = min(part, int(zero["sub_group_size"]))
    gathered = HALF * min(training.architecture.parameters + tuned, int(zero["stage3_max_live_parameters"]))
    weights = _part(training, frozen(training) + HALF * tuned)
    on_host = leaves(zero, "optimizer")
    states = 0 if on_host else part
    return Share(
        weights=(0 if leaves(zero, "param") else weights) + FULL * states,
        optimizer=training.optimizer_bytes * states,
        gradients=HALF * states,
        context=_CONTEXT + _COLLECTIVE + _DEEPSPEED,
        keeps_gradients=True,
        working=gathered,
        step=0 if on_host else (HALF + FULL + training.step_bytes) * group,
        block=0 if on_host else FULL * group,
    )


def _fsdp(training: Training, *, offload: bool) -> Share:
    """A part of everything, cast to fp32 with the frozen weights (accelerate 1.11, utils/fsdp_utils.py).

    A layer is gathered while the one before it is used; the embeddings, outside of all layers, for the whole of a
    forward and backward pass.
    """
    model, tuned = training.architecture, sizes.trained(training)
    added = tuned if training.adapter_rank is not None else 0
    part = 0 if offload else _part(training, tuned)
    return Share(
        weights=0 if offload else FULL * _part(training, model.parameters + added),
        optimizer=training.optimizer_bytes * part,
        gradients=FULL * part,
        context=_CONTEXT + _COLLECTIVE,
        working=HALF * (sizes.embeddings(model) + 2 * sizes.layer(model)),
        step=training.step_bytes * part,
    )


def _part(training: Training, count: int) -> int:
    return -(-count // training.processes)


def is_on_host(zero: Json, what: str) -> bool:
    """Whether the memory of the host has it; a disk may instead."""
    return _offloaded_to(zero, what) == "cpu"


def leaves(zero: Json, what: str) -> bool:
    """Whether it is not on the device."""
    return _offloaded_to(zero, what) != "none"


def _offloaded_to(zero: Json, what: str) -> str:
    given: Any = zero.get(f"offload_{what}")
    return str(given.get("device", "none")) if isinstance(given, dict) else "none"
