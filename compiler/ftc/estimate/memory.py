"""Device memory of one process at each phase of a training step; the device must fit the peak.

For methods that the estimate does not cover, `least` is a lower bound: the weights of the base model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from ftc.estimate import facts
from ftc.estimate.engines import FULL, HALF, MIB, Share, leaves, share
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.trainer import engines
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from ftc.estimate.facts import Training
    from ftc.spec.job import JobSpec


# The final norm: its input in fp32, its output once for itself and once for the output layer.
_FINAL_NORM = 4 + 2 + 2
# Simultaneous gradients inside a feed-forward block, per token and inner width: in 16 bits, and in fp32 with a cast.
_INNER = 7
_INNER_CAST = 10
# cuBLAS allocates 32 MiB per handle on Hopper, and the thread of the backward pass has a second handle (PyTorch,
# aten/src/ATen/cuda/CublasHandlePool.cpp).
_WORKSPACES = 64 * MIB
# PyTorch's allocator reuses a free block if the request fits. The segment of the 16-bit logits is too small for fp32
# logits (2 bytes per entry), and smaller tensors split an fp32 block, which is then allocated again (every other time:
# 2 bytes). The latter did not grow beyond 4096 tokens of 151,936 entries in the runs that had more.
_UNUSED_LOGITS = 2
_SPLIT_LOGITS = 2 * 4096 * 151_936


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the device at one moment of a step.

    `communication` are the buffers that the engine gathers, reduces or flattens into; `allocator` is memory that
    PyTorch reserves and cannot use; `context` is memory that the driver counts in addition.
    """

    weights: int
    optimizer: int
    gradients: int
    activations: int
    logits: int
    communication: int
    allocator: int = 0
    context: int = 0

    @property
    def total(self) -> int:
        """The sum, as the driver counts it (NVML's `used`)."""
        return sum(msgspec.structs.astuple(self))


def estimate(training: Training) -> Memory:
    """The peak of a step, with the allocator's overhead and the context."""
    part = share(training)
    moments = (_loading, _loss_forward, _loss_backward, _first_layer, _last_layer, _step)
    found = [moment(training, part) for moment in moments]
    peak = max(found, key=lambda memory: memory.total)
    unused = _unused(training) + part.block + (_of_streams(found) - peak.total if part.apart else 0)
    return msgspec.structs.replace(peak, allocator=unused + _WORKSPACES, context=part.context)


def _of_streams(found: list[Memory]) -> int:
    """The sum of the largest gradients and the most of everything else, which PyTorch holds at different moments."""
    return max(memory.total - memory.gradients for memory in found) + max(memory.gradients for memory in found)


def _unused(training: Training) -> int:
    """Free fragments at the peak: of the logits or, if larger, of a layer."""
    logits = _UNUSED_LOGITS * training.tokens * training.architecture.vocabulary if training.loss.forward else 0
    split = min(logits, _SPLIT_LOGITS) if training.loss.backward else 0
    layer = training.tokens * facts.saved_by_layer(training) if training.checkpointing else 0
    return max(logits + split, layer)


def weights_alone(training: Training) -> int:
    """The bytes of weights that the device must hold, during loading or later."""
    part = share(training)
    return max(part.weights, part.loaded)


def _loading(_: Training, part: Share) -> Memory:
    return Memory(weights=part.loaded, optimizer=0, gradients=0, activations=0, logits=0, communication=0)


def _loss_forward(training: Training, part: Share) -> Memory:
    """All logits and, under autocast, a 16-bit copy of every weight, which live until the forward pass ends."""
    whole = training.loss.inside or not training.checkpointing
    saved = _saved(training) + _copies(training, whole=whole)
    return _computing(training, part, saved=saved, logits=training.loss.forward)


def _loss_backward(training: Training, part: Share) -> Memory:
    saved = _saved(training) + _copies(training, whole=not training.checkpointing)
    return _computing(training, part, saved=saved, logits=training.loss.backward)


def _first_layer(training: Training, part: Share) -> Memory:
    """The backward pass starts with the last layer: all activations are saved, few gradients exist."""
    saved = _saved(training) + _layer(training) + _copies(training, whole=not training.checkpointing)
    made = 0 if training.architecture.tied_embeddings else _of_embeddings(training, part)
    return _computing(training, part, saved=saved, made=made)


def _last_layer(training: Training, part: Share) -> Memory:
    """The backward pass ends with the first layer: nearly all gradients exist, few activations are left."""
    made = part.gradients - _of_embeddings(training, part)
    moment = _computing(training, part, saved=_layer(training), made=made)
    return msgspec.structs.replace(moment, communication=part.buffers + max(part.working, part.last))


def _step(_: Training, part: Share) -> Memory:
    return _memory(part, gradients=part.gradients, communication=part.step)


def _computing(training: Training, part: Share, *, saved: int, logits: int = 0, made: int = 0) -> Memory:
    """A moment in the forward or backward pass; from the second micro-batch on, all gradients exist."""
    model = training.architecture
    if training.accumulation > 1:
        made = part.gradients if part.accumulated is None else part.accumulated
    return _memory(
        part,
        gradients=part.gradients if part.keeps_gradients else made,
        activations=saved + (_FINAL_NORM * training.tokens * model.hidden_size if logits else 0),
        logits=logits * training.tokens * model.vocabulary,
        communication=part.working,
    )


def _memory(part: Share, *, gradients: int, communication: int, activations: int = 0, logits: int = 0) -> Memory:
    return Memory(
        weights=part.weights,
        optimizer=part.optimizer,
        gradients=gradients,
        activations=activations,
        logits=logits,
        communication=part.buffers + communication,
    )


def _saved(training: Training) -> int:
    """The activations that layers save for the backward pass: with checkpointing only their inputs.

    The inputs are in fp32 if the embedding is.
    """
    model = training.architecture
    width = FULL if training.casts and training.trains_all else HALF
    if not training.checkpointing:
        return training.tokens * facts.saved_by_layers(training)
    layers = model.layers if training.saving_layers is None else training.saving_layers
    return training.tokens * layers * width * model.hidden_size


def _layer(training: Training) -> int:
    """One layer in its backward pass: recomputed activations, gradients, and 16-bit copies of its weights."""
    again = facts.saved_by_layer(training) if training.checkpointing else 0
    inner = (_INNER_CAST if training.casts else _INNER) * facts.widths(training.architecture)["inner"]
    casts = HALF * facts.layer(training.architecture) if _copies(training, whole=False) else 0
    return training.tokens * (again + inner) + casts


def _copies(training: Training, *, whole: bool) -> int:
    """Autocast's 16-bit copies of trained weights: of the output layer, or of the whole model."""
    model = training.architecture
    if not training.casts or training.adapter_rank is not None:
        return 0
    layers = model.layers if training.trained_layers is None else training.trained_layers
    embedding = facts.embedding(model) if training.trains_all else 0
    return HALF * (embedding + (layers * facts.layer(model) if whole else 0))


def _of_embeddings(training: Training, part: Share) -> int:
    """The bytes of one embedding's gradient among the gradients on the device."""
    if not training.trains_all:
        return 0
    return part.gradients * facts.embedding(training.architecture) // facts.trained(training)


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
    bits = spec.model.architecture.quantized_bits or arguments.get("quantization_bit")
    count = spec.model.architecture.parameters
    size = HALF * count if bits is None else count * bits // 8 if type(bits) is int and bits > 0 else 0
    return _part(spec, size)


def is_shared(spec: JobSpec) -> bool:
    """Whether each process holds a shard of the weights."""
    engine = spec.engine
    if isinstance(engine, DeepSpeed):
        zero = engines.deepspeed_config(engine)["zero_optimization"]
        return isinstance(zero, dict) and zero.get("stage") == _ZERO_3
    return isinstance(engine, Fsdp)


def _part(spec: JobSpec, size: int) -> int:
    match spec.engine:
        case Ddp():
            return size
        case DeepSpeed():
            zero = engines.deepspeed_config(spec.engine)["zero_optimization"]
            elsewhere = not isinstance(zero, dict) or leaves(zero, "param")
        case Fsdp():
            elsewhere = spec.engine.offload
        case _:
            assert_never(spec.engine)
    if elsewhere:
        return 0
    return size // (spec.nodes * spec.devices) if is_shared(spec) else size
