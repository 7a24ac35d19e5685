"""Find the cheapest change that makes a training fit its device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from ftc.estimate.facts import Training
from ftc.estimate.memory import estimate
from ftc.spec.method import Ddp, DeepSpeed, Fsdp

# The estimate is within 15 % of the measurements.
MARGIN = 1.15
_SHORTEST = 512
# Sequences per batch; larger sizes are not tried one by one.
_LARGEST = 1024
# Beyond this, traffic is the limit and not memory.
_MOST_NODES = 32
_ADAPTER_RANK = 8
_STATE = 8
_BITS = 4


class Change(msgspec.Struct, frozen=True):
    """Overrides, and the training that they lead to."""

    overrides: tuple[str, ...]
    training: Training


class Room(msgspec.Struct, frozen=True):
    """The limits of a change: the memory of a device, the run's nodes and devices, the chip's features.

    `deepspeed` says whether DeepSpeed runs on the chip, `quantizes` lists the bits that bitsandbytes supports, `whole`
    says whether the devices are whole: parts of devices cannot train together.
    """

    memory: int
    nodes: int
    devices: int
    devices_per_node: int
    deepspeed: bool
    quantizes: tuple[int, ...]
    whole: bool = True


Kind: TypeAlias = Callable[[Training, Room], Iterator[Change]]


def fits(training: Training, memory: int) -> bool:
    """Whether it fits even if the estimate is too low."""
    return estimate(training).total * MARGIN <= memory


def cheapest(training: Training, room: Room) -> Change | None:
    """The cheapest sufficient change; changes that keep the result come first."""
    for kinds in _KINDS:
        change = _together(training, room, kinds)
        if change is not None:
            return change
    return None


def _together(training: Training, room: Room, kinds: tuple[Kind, ...]) -> Change | None:
    """Combine kinds of changes: each to its maximum, the last only as far as necessary; None if it does not fit."""
    before = Change((), training)
    for kind in kinds[:-1]:
        changes = (_upon(before, change) for change in kind(before.training, room))
        before = min((before, *changes), key=lambda change: estimate(change.training).total)
    last = (_upon(before, change) for change in kinds[-1](before.training, room))
    return next((change for change in last if fits(change.training, room.memory)), None)


def _upon(before: Change, change: Change) -> Change:
    """Both changes; of two values for one key the later one wins."""
    keys = {override.partition("=")[0] for override in change.overrides}
    kept = tuple(override for override in before.overrides if override.partition("=")[0] not in keys)
    return Change((*kept, *change.overrides), change.training)


def _checkpointing(training: Training, _: Room) -> Iterator[Change]:
    """Recompute layers instead of storing them: slower, same result."""
    if not training.checkpointing:
        yield Change(("train.disable_gradient_checkpointing=false",), replace(training, checkpointing=True))


def _batch(training: Training, _: Room) -> Iterator[Change]:
    """Fewer sequences per batch, as many per optimizer step: same result."""
    batch = training.tokens // training.length // training.loss.sequences
    sizes = [size for size in range(min(batch - 1, _LARGEST), 0, -1) if batch % size == 0]
    for size in sizes:
        accumulation = training.accumulation * (batch // size)
        overrides = (
            f"train.per_device_train_batch_size={size}",
            f"train.gradient_accumulation_steps={accumulation}",
        )
        yield Change(overrides, replace(training, tokens=training.tokens * size // batch, accumulation=accumulation))


def _length(training: Training, _: Room) -> Iterator[Change]:
    """Shorter sequences: longer ones are truncated."""
    length = training.length // 2
    while length >= _SHORTEST:
        tokens = training.tokens * length // training.length
        yield Change((f"train.cutoff_len={length}",), replace(training, tokens=tokens, length=length))
        length //= 2


_ENGINES = (
    ("deepspeed-z2", DeepSpeed(stage=2)),
    ("deepspeed-z3", DeepSpeed(stage=3)),
    ("deepspeed-z3-offload", DeepSpeed(stage=3, offload=True)),
)


def _engine(training: Training, room: Room) -> Iterator[Change]:
    """Shard states over the processes: more traffic, same result.

    LLaMA-Factory supports neither pure_bf16 nor most quantized weights with ZeRO-3 (hparams/parser.py).
    """
    if training.processes == 1 or isinstance(training.engine, Fsdp) or not room.deepspeed:
        return
    allowed = _ENGINES if training.mixed and training.quantized_bits is None else _ENGINES[:1]
    for name, engine in allowed:
        if _rank(engine) > _rank(training.engine):
            yield Change((f"engine={name}",), replace(training, engine=engine))


def _rank(engine: Ddp | DeepSpeed | Fsdp) -> tuple[int, bool]:
    return (engine.stage, engine.offload) if isinstance(engine, DeepSpeed) else (0, False)


def _adapter(training: Training, _: Room) -> Iterator[Change]:
    """Train an adapter instead of all weights: a different result."""
    if training.adapter_rank is None:
        tuned = replace(
            training,
            adapter_rank=_ADAPTER_RANK,
            targets=("all",),
            mixed=True,
            optimizer_bytes=_STATE,
            reference=False,
            trained_layers=None,
            saving_layers=None,
        )
        yield Change((f"method=lora-{training.stage}",), tuned)


def _quantized(training: Training, room: Room) -> Iterator[Change]:
    """Quantize the frozen weights to 4 bits: slower, slightly worse result."""
    alone = isinstance(training.engine, Ddp) and training.adapter_rank is not None
    if alone and training.quantized_bits is None and _BITS in room.quantizes:
        yield Change((f"train.quantization_bit={_BITS}",), replace(training, quantized_bits=_BITS))


def _devices(training: Training, room: Room) -> Iterator[Change]:
    """More devices per node, with ZeRO-3 if nothing is sharded yet."""
    devices = 2 * room.devices
    while devices <= room.devices_per_node:
        yield from _spread(training, room, room.nodes, devices)
        devices *= 2


def _nodes(training: Training, room: Room) -> Iterator[Change]:
    """More nodes with all their devices."""
    nodes = 2 * room.nodes
    while nodes <= _MOST_NODES:
        yield from _spread(training, room, nodes, max(room.devices, room.devices_per_node))
        nodes *= 2


def _spread(training: Training, room: Room, nodes: int, devices: int) -> Iterator[Change]:
    """The training on more devices; nothing if no engine can shard it."""
    sharded = isinstance(training.engine, Fsdp) or _rank(training.engine)[0] > 0
    if not room.whole:
        return
    if not sharded and not (room.deepspeed and training.mixed and training.quantized_bits is None):
        return
    numbers = (("nodes", nodes, room.nodes), ("devices", devices, room.devices))
    overrides = [f"{key}={number}" for key, number, given in numbers if number != given]
    overrides += [] if sharded else ["engine=deepspeed-z3"]
    engine = training.engine if sharded else DeepSpeed(stage=3)
    yield Change(tuple(overrides), replace(training, processes=nodes * devices, engine=engine))


_KINDS: tuple[tuple[Kind, ...], ...] = (
    (_checkpointing,),
    (_batch,),
    (_engine,),
    (_checkpointing, _batch),
    (_checkpointing, _batch, _engine),
    (_checkpointing, _batch, _length),
    (_checkpointing, _batch, _engine, _length),
    (_adapter,),
    (_checkpointing, _batch, _adapter),
    (_quantized,),
    (_checkpointing, _batch, _quantized),
    (_checkpointing, _batch, _length, _adapter),
    (_checkpointing, _batch, _adapter, _quantized),
    (_devices,),
    (_checkpointing, _batch, _devices),
    (_checkpointing, _batch, _engine, _length, _adapter),
    (_checkpointing, _batch, _length, _adapter, _quantized),
    (_checkpointing, _batch, _length, _quantized),
    (_checkpointing, _batch, _length, _adapter, _devices),
    (_nodes,),
    (_checkpointing, _batch, _nodes),
    (_checkpointing, _batch, _length, _nodes),
    (_checkpointing, _batch, _length, _adapter, _nodes),
)
