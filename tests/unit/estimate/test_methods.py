"""The estimate of other methods, kernels and architectures matches runs on a device.

LLaMA-Factory 0.9.5, transformers 5.6.0, peft 0.18.1, trl 0.24.0, liger-kernel 0.8.5, torch 2.11 with CUDA 13 on one
H200: random weights, AdamW, sdpa, adapters of rank 8 on all linear modules, four steps, every sequence as long as the
cut-off. The runs shared the device, so only PyTorch's own figures are measured; the context is that of the runs in
test_memory.py.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ftc.driver import Request, compile_job
from ftc.estimate.facts import Training, assumed, trained
from ftc.estimate.memory import estimate
from ftc.estimate.reading import Unknown, read

GIB = 1 << 30
CONTEXT = 1.35
WORDS = 151_936
# Parameters, hidden and inner size, layers, heads, heads of keys, their size, vocabulary, tied embeddings, the rest.
MIXTURE = "experts: {count: 128, per_token: 8, intermediate_size: 768}"
HYBRID = "linear_attention: {layers: 18, heads: 16, key_size: 128, value_size: 128}"
SHAPES = {
    "0.6b": (596_049_920, 1024, 3072, 28, 16, 8, 128, WORDS, "true", ""),
    "1.7b": (1_720_574_976, 2048, 6144, 28, 16, 8, 128, WORDS, "true", ""),
    "mixture-2": (1_868_573_184, 2048, 6144, 2, 32, 4, 128, WORDS, "false", MIXTURE),
    "mixture-4": (3_114_814_464, 2048, 6144, 4, 32, 4, 128, WORDS, "false", MIXTURE),
    "mixture-8": (5_607_297_024, 2048, 6144, 8, 32, 4, 128, WORDS, "false", MIXTURE),
    "gemma3-1b": (999_885_952, 1152, 6912, 26, 4, 1, 256, 262_144, "true", ""),
    "qwen3.5-2b": (1_881_825_088, 2048, 6144, 24, 8, 2, 256, 248_320, "true", HYBRID),
}
WITHOUT = ("train.disable_gradient_checkpointing=true",)
LIGER = ("train.enable_liger_kernel=true",)
LORA = ("train.lora_rank=8", "train.lora_target=all")


class Run(NamedTuple):
    """A run, and the GiB that PyTorch allocated and reserved."""

    model: str
    batch: int
    length: int
    allocated: float
    reserved: float
    overrides: tuple[str, ...]


RUNS = (
    Run("1.7b", 2, 1024, 7.72, 8.97, ("method=freeze-sft",)),
    Run("1.7b", 1, 1024, 30.09, 33.62, ("method=full-dpo",)),
    Run("0.6b", 2, 2048, 32.26, 35.94, ("method=full-dpo",)),
    Run("0.6b", 1, 2048, 14.45, 16.85, ("method=full-simpo",)),
    Run("1.7b", 1, 2048, 15.42, 16.81, ("method=lora-dpo", *LORA)),
    Run("1.7b", 1, 2048, 10.79, 12.17, ("method=lora-orpo", *LORA)),
    Run("0.6b", 2, 1024, 14.14, 15.71, ("method=full-rm",)),
    Run("1.7b", 2, 1024, 9.69, 9.85, ("method=lora-rm", *LORA)),
    Run("0.6b", 2, 1024, 15.32, 18.10, ("method=full-kto",)),
    Run("1.7b", 2, 1024, 10.55, 11.27, ("method=lora-kto", *LORA)),
    Run("1.7b", 2, 2048, 13.02, 13.14, (*LORA, *LIGER, *WITHOUT)),
    Run("1.7b", 2, 1024, 26.88, 27.71, ("method=full-sft", *LIGER)),
    Run("1.7b", 4, 2048, 5.32, 5.40, (*LORA, *LIGER)),
    Run("mixture-4", 2, 2048, 15.04, 16.68, (*LORA, *WITHOUT)),
    Run("mixture-2", 2, 1024, 27.93, 30.06, ("method=full-sft",)),
    Run("mixture-8", 2, 2048, 17.64, 20.09, LORA),
    Run("gemma3-1b", 1, 2048, 13.15, 14.37, (*LORA, *WITHOUT)),
    Run("gemma3-1b", 2, 2048, 14.26, 16.53, LORA),
    Run("qwen3.5-2b", 1, 1024, 13.60, 15.06, (*LORA, *WITHOUT)),
    Run("qwen3.5-2b", 1, 2048, 9.55, 10.81, LORA),
    Run("0.6b", 2, 2048, 8.42, 9.87, ("method=dora-sft", *LORA)),
)


def facts(model: str, *overrides: str) -> Training | Unknown:
    parameters, hidden, inner, layers, heads, kv_heads, size, words, tied, rest = SHAPES[model]
    sizes = f"parameters: {parameters}, hidden_size: {hidden}, intermediate_size: {inner}, layers: {layers}"
    heads_ = f"attention_heads: {heads}, kv_heads: {kv_heads}, head_size: {size}, qk_norm: true"
    words_ = f"vocabulary: {words}, tied_embeddings: {tied}, context_length: 40960"
    request = (
        *("model=custom", "model.id=org/model", "model.template=qwen3", "train.gradient_accumulation_steps=1"),
        f"model.architecture={{{', '.join(filter(None, (sizes, heads_, words_, rest)))}}}",
        *overrides,
    )
    spec = compile_job(Request(request)).spec  # with findings: the data does not fit the stage
    assert spec is not None
    return read(spec)


def training(model: str, *overrides: str) -> Training:
    found = facts(model, *overrides)
    assert isinstance(found, Training), found
    return found


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.model} {run.batch}x{run.length} {' '.join(run.overrides)}")
def test_the_estimate_is_near_what_a_device_needs(run: Run) -> None:
    sizes = (f"train.per_device_train_batch_size={run.batch}", f"train.cutoff_len={run.length}")
    memory = estimate(training(run.model, *sizes, *run.overrides))
    assert memory.total / GIB == pytest.approx(run.reserved + CONTEXT, rel=0.1)
    assert (memory.total - memory.allocator - memory.context) / GIB == pytest.approx(run.allocated, rel=0.07)


def test_freeze_trains_the_last_layers_or_the_first() -> None:
    """One layer of the 1.7 billion has 50,336,000 parameters and its share of the last norm."""
    last, first = (training("1.7b", "method=freeze-sft", f"train.freeze_trainable_layers={n}") for n in (3, -3))
    assert trained(last) == trained(first) == pytest.approx(3 * 50_336_000, rel=0.001)
    assert estimate(first).activations > estimate(last).activations


def test_bitsandbytes_leaves_experts_at_16_bits() -> None:
    """Eight layers of 128 experts with three matrices of 2048 x 768 are 4,831,838,208 parameters."""
    quantized = training("mixture-8", "method=qlora-sft", *LORA)
    assert estimate(quantized).weights > 2 * 4_831_838_208
    assert assumed(quantized) == "full sequences and experts that are not quantized"


def test_a_quantized_checkpoint_has_quantized_experts() -> None:
    quantized = training("mixture-8", "model.architecture.quantized_bits=4", *LORA)
    assert estimate(quantized).weights < 5_607_297_024


def test_transformers_4_has_an_adapter_for_each_expert() -> None:
    """8 layers, 128 experts, three pairs of factors of rank 8 between 2048 and 768 wide vectors."""
    older = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1", *LORA)
    more = trained(training("mixture-8", *older)) - trained(training("mixture-8", *LORA))
    assert more == 8 * 8 * 128 * 3 * (2048 + 768)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("method=lora-sft",), "full sequences"),
        (("method=full-dpo",), "full sequences and a reference model as large as the model"),
        (
            ("method=lora-dpo", "train.ref_model=org/other"),
            "full sequences and a reference model as large as the model",
        ),
        (LIGER, "full sequences and liger-kernel's modules for this model"),
    ],
)
def test_the_assumptions_are_named(overrides: tuple[str, ...], words: str) -> None:
    assert assumed(training("0.6b", *overrides)) == words


def test_linear_attention_is_assumed_to_run_in_pytorch() -> None:
    assert assumed(training("qwen3.5-2b")) == "full sequences and linear attention in PyTorch"


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("method=freeze-sft", "train.freeze_extra_modules=embed_tokens"), "freeze_extra_modules is not covered"),
        (("method=freeze-sft", "train.freeze_trainable_modules=mlp"), "freeze_trainable_modules other than all"),
        (("method=oft-sft",), "oft tuning in stage sft is not covered"),
    ],
)
def test_what_is_not_covered_is_said(overrides: tuple[str, ...], reason: str) -> None:
    found = facts("0.6b", *overrides)
    assert isinstance(found, Unknown)
    assert reason in found.reason
