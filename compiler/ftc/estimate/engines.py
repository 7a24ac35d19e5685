"""The device memory of each engine: its share of the weights and states, and its buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from ftc.estimate import facts
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.trainer import engines

if TYPE_CHECKING:
    from ftc.estimate.facts import Training
    from ftc.spec.base import Json

MIB = 1 << 20
HALF = 2
FULL = 4
# Memory that the driver counts in addition to PyTorch's allocator: context, kernels, libraries; then NCCL's channels;
# then DeepSpeed's kernels and communicators, or those of FSDP2's mesh. Measured on H200 with CUDA 13 in 19, four, seven
# and three runs, which agreed to 0.01 GiB except with ZeRO-3 offload (2.79 instead of 2.65 GiB).
_CONTEXT = 1382 * MIB
_COLLECTIVE = 840 * MIB
_DEEPSPEED = 492 * MIB
_FSDP = 372 * MIB
# bitsandbytes at 4 bits, with an 8-bit scale for 64 weights (bnb_4bit_use_double_quant); other methods are close.
_SCALES = 1.032


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one process, in bytes.

    `loaded` are the weights before the engine wraps them. `gradients` exist after the backward pass, and also
    before it if `keeps_gradients`; `accumulated` is their size between micro-batches, if it differs. `buffers`
    exist always, `working` during forward and backward, `last` when the backward pass reaches the embeddings,
    `step` during the optimizer's step; `block` is the largest allocation of that. `apart` says that gradients are
    in blocks of another stream, which PyTorch uses for nothing else. `context` is outside PyTorch's allocator.
    """

    weights: int
    optimizer: int
    gradients: int
    context: int
    loaded: int = 0
    keeps_gradients: bool = False
    accumulated: int | None = None
    buffers: int = 0
    working: int = 0
    last: int = 0
    step: int = 0
    block: int = 0
    apart: bool = False


def share(training: Training) -> Share:
    """The share under the training's engine, with the frozen reference model, if the training needs one."""
    part = _of_engine(training)
    if not training.reference:
        return part
    copy = _reference(training)
    return msgspec.structs.replace(part, weights=part.weights + copy, loaded=part.loaded + copy)


def _reference(training: Training) -> int:
    """The weights of the reference in 16 bits; ZeRO-3 and FSDP shard them, too (trl, prepare_deepspeed)."""
    size = HALF * training.architecture.parameters
    match training.engine:
        case DeepSpeed(stage=3):
            zero = engines.deepspeed_config(training.engine)["zero_optimization"]
            return 0 if leaves(zero, "param") else _part(training, size)
        case Fsdp():
            return 0 if training.engine.offload else _part(training, size)
        case _:
            return size


def _of_engine(training: Training) -> Share:
    match training.engine:
        case Ddp():
            return _ddp(training)
        case DeepSpeed(stage=0):
            return _unsharded(training)
        case DeepSpeed(stage=2):
            return _zero_2(training, engines.deepspeed_config(training.engine)["zero_optimization"])
        case DeepSpeed():
            return _zero_3(training, engines.deepspeed_config(training.engine)["zero_optimization"])
        case Fsdp():
            return _fsdp(training, offload=training.engine.offload)
        case _:
            assert_never(training.engine)


def frozen(training: Training) -> int:
    """The bytes of frozen weights: 16 bits each, or quantized in the layers."""
    parameters = training.architecture.parameters
    if training.adapter_rank is None:
        return HALF * (parameters - facts.trained(training))
    quantized = facts.quantized(training)
    return HALF * (parameters - quantized) + int(quantized * (training.quantized_bits or 0) / 8 * _SCALES)


def _ddp(training: Training) -> Share:
    """Nothing is sharded; DDP's buckets copy every gradient (PyTorch, reducer.cpp).

    The gradient of an embedding that is also the output layer is the sum of two (autograd's input buffer).
    """
    tuned = facts.trained(training)
    width = FULL if training.mixed else HALF
    several = training.processes > 1
    both = training.trains_all and training.architecture.tied_embeddings
    twice = width * facts.embedding(training.architecture) if both else 0
    return Share(
        weights=frozen(training) + width * tuned,
        optimizer=training.optimizer_bytes * tuned,
        gradients=width * tuned,
        context=_CONTEXT + several * _COLLECTIVE,
        buffers=several * width * tuned,
        step=max(twice, training.step_bytes * tuned),
    )


def _unsharded(training: Training) -> Share:
    """Stage 0: weights and gradients in 16 bits and in fp32 (DeepSpeed, runtime/fp16/unfused_optimizer.py)."""
    tuned = facts.trained(training)
    return Share(
        weights=frozen(training) + (HALF + FULL) * tuned,
        optimizer=training.optimizer_bytes * tuned,
        gradients=(HALF + FULL) * tuned,
        context=_CONTEXT + _COLLECTIVE + _DEEPSPEED,
        loaded=_loaded(training),
        step=training.step_bytes * tuned,
    )


def _loaded(training: Training) -> int:
    """LLaMA-Factory loads to the device and casts trained weights to fp32 (model/patcher.py, model/adapter.py)."""
    return frozen(training) + (FULL if training.mixed else HALF) * facts.trained(training)


def _zero_2(training: Training, zero: Json) -> Share:
    """All 16-bit weights and a shard of the rest (DeepSpeed 0.18.4, runtime/zero/stage_1_and_2.py).

    The step flattens the shard's gradients and then casts them to fp32. With the optimizer on the host, gradients
    leave the device as they are computed, through a buffer as large as the largest one.
    """
    tuned = facts.trained(training)
    part = _part(training, tuned)
    bucket = HALF * int(zero["reduce_bucket_size"])
    on_host = leaves(zero, "optimizer")
    base = Share(
        weights=frozen(training) + HALF * tuned,
        optimizer=0,
        gradients=0,
        context=_CONTEXT + _COLLECTIVE + _DEEPSPEED,
        loaded=_loaded(training),
        working=bucket + (HALF * min(tuned, facts.embedding(training.architecture)) if on_host else 0),
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
    """A shard of everything; weights are gathered for use (DeepSpeed 0.18.4, runtime/zero/stage3.py).

    Gathered weights stay up to `stage3_max_live_parameters`, because they are reused soon. The step updates one group
    at a time.
    """
    tuned = facts.trained(training)
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
    """A shard of everything; frozen weights are cast to fp32 too (accelerate 1.11, utils/fsdp_utils.py).

    A layer is gathered while the previous one is in use; the embeddings, which belong to no layer, stay gathered for
    the forward and backward pass. Their gradients come last: with tied embeddings the gathered weights, both gradients
    and the sum, otherwise two of each (PyTorch, _fsdp_param_group.py). Gradients are allocated in the stream of the
    reduction (_fsdp_collectives.py). Only the last micro-batch reduces them, and the others keep whole ones in 16 bits
    (accelerate, accelerator.py, no_sync).
    """
    model, tuned = training.architecture, facts.trained(training)
    added = tuned if training.adapter_rank is not None else 0
    part = 0 if offload else _part(training, tuned)
    return Share(
        weights=0 if offload else FULL * _part(training, model.parameters + added),
        optimizer=training.optimizer_bytes * part,
        gradients=FULL * part,
        accumulated=HALF * tuned,
        context=_CONTEXT + _COLLECTIVE + _FSDP,
        working=HALF * (facts.embeddings(model) + 2 * facts.layer(model)),
        last=HALF * 4 * facts.embedding(model) if training.trains_all else 0,
        apart=not offload,
        step=training.step_bytes * part,
    )


def _part(training: Training, count: int) -> int:
    return -(-count // training.processes)


def is_on_host(zero: Json, what: str) -> bool:
    """Whether `what` is offloaded to the host's memory rather than to a disk."""
    return _offloaded_to(zero, what) == "cpu"


def leaves(zero: Json, what: str) -> bool:
    """Whether `what` is offloaded from the device."""
    return _offloaded_to(zero, what) != "none"


def _offloaded_to(zero: Json, what: str) -> str:
    given: Any = zero.get(f"offload_{what}")
    return str(given.get("device", "none")) if isinstance(given, dict) else "none"
