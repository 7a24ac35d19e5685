"""What a node needs besides device memory: host memory, and bytes of weights on volumes.

The host memory is the least for the processes of the training, then for the merge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.estimate import facts
from ftc.estimate.engines import FULL, HALF, frozen, is_on_host, share
from ftc.estimate.facts import Training
from ftc.estimate.reading import read
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.source import OnVolume
from ftc.trainer import engines
from ftc.trainer.arguments import chosen
from ftc.trainer.engines import loads_once

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


MERGING = "to merge the adapter"


class Need(msgspec.Struct, frozen=True):
    """Bytes on a node and their purpose. Needs are not simultaneous, so the largest counts."""

    size: int
    purpose: str


def needs(spec: JobSpec) -> tuple[Need, ...]:
    """The known needs, without the memory of the programs themselves."""
    training = read(spec)
    found = [_merge(spec)]
    if isinstance(training, Training):
        found.append(_on_cpu(spec, training) if spec.hardware.device is None else _offloaded(spec, training))
        found.append(_loaded(spec, training))
    return tuple(need for need in found if need.size)


def _merge(spec: JobSpec) -> Need:
    """Weights at 16 bits; a merge runs on the CPU by default (LLaMA-Factory 0.9.5, hparams/model_args.py)."""
    if not spec.trains or spec.model is None or spec.method is None or spec.method.merge is None:
        return Need(0, MERGING)
    on_host = spec.hardware.device is None or spec.method.merge.get("export_device", "cpu") == "cpu"
    model = spec.model.architecture
    return Need(HALF * model.parameters if model is not None and on_host else 0, MERGING)


def _offloaded(spec: JobSpec, training: Training) -> Need:
    """The node's share of the states that the engine offloads to the host.

    For a trained weight DeepSpeed stores a copy and the gradient in fp32 there, and the optimizer's states (0.18.4,
    runtime/zero/stage3.py, estimate_zero3_model_states_mem_needs); FSDP casts frozen weights to fp32 too.
    """
    tuned, size = facts.trained(training), 0
    states = (FULL + FULL + training.optimizer_bytes) * tuned
    match training.engine:
        case DeepSpeed():
            zero = engines.deepspeed_config(training.engine)["zero_optimization"]
            size += states if is_on_host(zero, "optimizer") else 0
            size += frozen(training) + HALF * tuned if is_on_host(zero, "param") else 0
        case Fsdp(offload=True):
            base = training.architecture.parameters
            size = states + FULL * (base if training.adapter_rank is not None else base - tuned)
        case _:
            pass
    return Need(size // spec.nodes, "for the states that the engine offloads")


def _loaded(spec: JobSpec, training: Training) -> Need:
    """The weights that FSDP's processes load: one process per node (transformers, modeling_utils.py), or all of them.

    Weights that are quantized during loading go directly to the device.
    """
    if not isinstance(training.engine, Fsdp):
        return Need(0, "to load the weights")
    size = HALF * training.architecture.parameters
    if not loads_once(training.engine, chosen(spec)):
        size *= spec.devices if training.quantized_bits is None else 0
    return Need(size, "to load the weights")


def _on_cpu(spec: JobSpec, training: Training) -> Need:
    """Without devices everything is on the host; the sum excludes activations."""
    if not isinstance(training.engine, Ddp):
        return Need(0, "to train")
    part = share(training)
    return Need((part.weights + part.optimizer + part.gradients) * spec.devices, "to train")


def fetched(spec: JobSpec) -> int:
    """The bytes of downloaded weights: 16 bits each, or quantized; 0 if unknown."""
    model = spec.model
    if model is None or model.architecture is None or isinstance(spec.sources["model"], OnVolume):
        return 0
    return model.architecture.parameters * (model.architecture.quantized_bits or 8 * HALF) // 8


def written(spec: JobSpec) -> int:
    """The bytes of trained weights, the merged copy and the quantized copy; an adapter is negligible."""
    method = spec.method
    if not spec.trains or method is None or spec.model is None or spec.model.architecture is None:
        return 0
    count = spec.model.architecture.parameters
    whole = (method.finetuning_type in ("full", "freeze")) + (method.merge is not None)
    return HALF * count * whole + (count * method.quantize.bits // 8 if method.quantize is not None else 0)
