"""The terms match traces of a step's allocations, made without a device.

Each figure comes from the trainer's step (transformers 5.6.0, peft 0.18.1) on fake tensors under autocast,
with every storage counted while it lives; the traces of the runs in test_memory.py agree with the device to 0.02 GiB.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ftc.estimate.facts import Training
from ftc.estimate.memory import estimate
from ftc.spec.method import Ddp, DeepSpeed, Fsdp
from ftc.spec.model import Architecture

GIB = 1 << 30
# Hidden and inner size, layers, heads, tied embeddings; eight heads of keys, 128 wide.
SMALL = (1024, 3072, 8, 16, True)
MIDDLE = (2048, 6144, 8, 16, True)
WIDE = (2560, 9728, 8, 32, True)
LARGE = (4096, 12288, 6, 32, False)


def training(shape: tuple[int, int, int, int, bool], tokens: int, **given: Any) -> Training:
    hidden, inner, layers, heads, tied = shape
    words = given.pop("vocabulary", 151_936)
    layer = hidden * (2 * heads * 128 + 2 * 8 * 128) + 3 * hidden * inner
    architecture = Architecture(
        parameters=words * hidden * (1 if tied else 2) + layers * layer,
        hidden_size=hidden,
        intermediate_size=inner,
        layers=layers,
        attention_heads=heads,
        kv_heads=8,
        head_size=128,
        vocabulary=words,
        context_length=40_960,
        tied_embeddings=tied,
        qk_norm=True,
    )
    facts = {
        "engine": Ddp(),
        "processes": 1,
        "length": 2048,
        "accumulation": 1,
        "adapter_rank": 8,
        "targets": ("all",),
        "mixed": True,
        "checkpointing": True,
        "eager": False,
        "quantized_bits": None,
        "optimizer_bytes": 8,
        "step_bytes": 0,
        "trains_tower": False,
    }
    return Training(architecture=architecture, tokens=tokens, **{**facts, **given})


def used(facts: Training) -> float:
    """GiB of live tensors at the largest moment."""
    memory = estimate(facts)
    return (memory.total - memory.allocator - memory.context) / GIB


FULL: dict[str, Any] = {"adapter_rank": None}
WITHOUT: dict[str, Any] = {"checkpointing": False}


@pytest.mark.parametrize(
    ("facts", "traced"),
    [
        (training(SMALL, 2048, **FULL, **WITHOUT), 8.49),
        (training(MIDDLE, 4096, **WITHOUT), 11.89),
        (training(LARGE, 4096, **WITHOUT, adapter_rank=64), 16.97),
        (training(LARGE, 4096, **WITHOUT, targets=("q_proj", "v_proj")), 15.24),
        (training(MIDDLE, 4096, **FULL, vocabulary=32_000), 7.75),
        (training(LARGE, 16_384, vocabulary=32_000), 9.61),
        (training(MIDDLE, 8192, **FULL), 23.19),
        (training(SMALL, 16_384), 28.74),
        (training(WIDE, 2048, processes=2, adapter_rank=128), 6.75),
    ],
)
def test_the_largest_moment_is_what_a_trace_has(facts: Training, traced: float) -> None:
    assert used(facts) == pytest.approx(traced, rel=0.03)


def test_a_layers_activations_are_what_two_runs_differ_by() -> None:
    """Measured on a device: 8.56 and 4.83 GiB without and with checkpointing, 28 layers, 2 x 1024 tokens."""
    shape = (1024, 3072, 28, 16, True)
    assert used(training(shape, 2048, **WITHOUT)) - used(training(shape, 2048)) == pytest.approx(8.56 - 4.83, rel=0.02)


BASE = training(LARGE, 4096)
LESS = (
    (replace(BASE, checkpointing=False), BASE),
    (BASE, replace(BASE, tokens=2048)),
    (replace(BASE, adapter_rank=None), BASE),
    (replace(BASE, adapter_rank=None, accumulation=4), replace(BASE, adapter_rank=None)),
    (replace(BASE, adapter_rank=64), BASE),
    (BASE, replace(BASE, quantized_bits=8)),
    (replace(BASE, quantized_bits=8), replace(BASE, quantized_bits=4)),
    (replace(BASE, eager=True, checkpointing=False), replace(BASE, checkpointing=False)),
    (replace(BASE, adapter_rank=None), replace(BASE, adapter_rank=None, mixed=False, optimizer_bytes=4)),
    (replace(BASE, adapter_rank=None, optimizer_bytes=8), replace(BASE, adapter_rank=None, optimizer_bytes=2)),
)
SHARED = replace(BASE, adapter_rank=None, processes=8)


@pytest.mark.parametrize(("more", "less"), LESS)
def test_what_needs_less_is_estimated_to_need_less(more: Training, less: Training) -> None:
    assert estimate(more).total > estimate(less).total


def test_engines_come_in_the_order_of_what_they_keep() -> None:
    engines = (
        *(Ddp(), DeepSpeed(stage=2), DeepSpeed(stage=3)),
        *(DeepSpeed(stage=3, offload=True),),
    )
    totals = [estimate(replace(SHARED, engine=engine)).total for engine in engines]
    assert totals == sorted(totals, reverse=True)
    assert estimate(replace(SHARED, engine=Fsdp())).total < totals[0]
    assert estimate(replace(SHARED, engine=Fsdp(offload=True))).weights == 0


@pytest.mark.parametrize("engine", [DeepSpeed(stage=2), DeepSpeed(stage=3), Fsdp()])
def test_more_devices_share_what_the_engine_shares(engine: Any) -> None:
    eight, sixteen = (estimate(replace(SHARED, engine=engine, processes=count)).total for count in (8, 16))
    assert sixteen < eight
