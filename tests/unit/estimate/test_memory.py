"""The estimate matches the used memory that the driver reported for runs on devices."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ftc.estimate.facts import Training, read
from ftc.estimate.memory import estimate
from unit.compiling import compiled

GIB = 1 << 30
SHAPES = {
    "0.6b": (596_049_920, 1024, 3072, 28, 16, "true"),
    "1.7b": (1_720_574_976, 2048, 6144, 28, 16, "true"),
    "4b": (4_022_468_096, 2560, 9728, 36, 32, "true"),
    "8b": (8_190_735_360, 4096, 12288, 36, 32, "false"),
}
LORA = ("train.lora_rank=8", "train.lora_target=all")
FULL = ("method=full-sft",)
PURE = (*FULL, "train.bf16=false", "train.pure_bf16=true")
WITHOUT = ("train.disable_gradient_checkpointing=true",)
DDP = ("launcher=torchrun", "devices=2")
ZERO2 = (*DDP, "engine=deepspeed-z2")
ZERO3 = (*DDP, "engine=deepspeed-z3")


class Run(NamedTuple):
    """A run and its GiB: in PyTorch's allocator, and used according to the driver."""

    model: str
    batch: int
    length: int
    allocated: float
    used: float
    overrides: tuple[str, ...]


# LLaMA-Factory 0.9.5, transformers 5.6.0, torch 2.11 with CUDA 13, DeepSpeed 0.18.4 on one and two H200; AdamW, sdpa,
# no accumulation, every sequence as long as the cut-off.
RUNS = (
    Run("0.6b", 2, 1024, 4.83, 8.03, LORA),
    Run("0.6b", 2, 2048, 8.42, 11.13, LORA),
    Run("0.6b", 2, 1024, 10.98, 14.45, FULL),
    Run("0.6b", 2, 1024, 8.56, 11.68, (*LORA, *WITHOUT)),
    Run("1.7b", 2, 2048, 10.79, 13.66, LORA),
    Run("1.7b", 1, 1024, 26.87, 28.88, FULL),
    Run("8b", 1, 1024, 17.6, 19.42, LORA),
    Run("8b", 2, 2048, 23.71, 27.12, LORA),
    Run("8b", 1, 1024, 61.11, 63.9, PURE),
    Run("4b", 1, 1024, 9.75, 12.63, (*LORA, *DDP)),
    Run("4b", 1, 1024, 45.02, 54.25, (*FULL, *ZERO2)),
    Run("4b", 1, 1024, 35.68, 43.86, (*FULL, *ZERO3)),
    Run("8b", 2, 2048, 17.96, 23.72, (*LORA, *ZERO3)),
    Run("1.7b", 1, 1024, 33.28, 37.29, (*FULL, *DDP)),
)


def training(run: Run) -> Training:
    parameters, hidden, inner, layers, heads, tied = SHAPES[run.model]
    sizes = f"parameters: {parameters}, hidden_size: {hidden}, intermediate_size: {inner}, layers: {layers}"
    heads_ = f"attention_heads: {heads}, kv_heads: 8, head_size: 128, qk_norm: true, tied_embeddings: {tied}"
    spec = compiled(
        *("model=custom", "model.id=org/model", "model.template=qwen3", "train.gradient_accumulation_steps=1"),
        f"model.architecture={{{sizes}, {heads_}, vocabulary: 151936, context_length: 40960}}",
        *(f"train.per_device_train_batch_size={run.batch}", f"train.cutoff_len={run.length}", *run.overrides),
    ).spec
    assert spec is not None
    facts = read(spec)
    assert isinstance(facts, Training), facts
    return facts


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.model} {run.batch}x{run.length} {' '.join(run.overrides)}")
def test_the_estimate_is_near_what_the_driver_counted(run: Run) -> None:
    assert estimate(training(run)).total / GIB == pytest.approx(run.used, rel=0.15)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.model} {run.batch}x{run.length} {' '.join(run.overrides)}")
def test_without_what_is_unused_the_estimate_is_what_was_allocated(run: Run) -> None:
    memory = estimate(training(run))
    assert (memory.total - memory.allocator - memory.context) / GIB == pytest.approx(run.allocated, rel=0.03)
