"""Rules on what a training computes in, whatever the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training

if TYPE_CHECKING:
    from collections.abc import Iterator


def one_precision(run: Training) -> Iterator[Finding]:
    """A training has one precision.

    transformers says: At most one of fp16 and bf16 can be True, but not both (training_args.py).

    Wrong: train.fp16=true
    Right: train.fp16=true train.bf16=false
    """
    if run.on("bf16") and run.on("fp16"):
        yield Finding(("fp16",), "bf16 and fp16 are both on", ({"bf16": False}, {"fp16": False}), run.along("bf16"))


def attention_of_the_release(run: Training) -> Iterator[Finding]:
    """FlashAttention 3 is used only if LLaMA-Factory supports it.

    Up to 0.9.5 it raises `NotImplementedError: Unknown attention type: fa3` after the model's configuration is loaded
    (LLaMA-Factory, model/model_utils/attention.py).

    Wrong: hardware=h100 train.flash_attn=fa3
    Right: hardware=h100 train.flash_attn=fa2
    """
    if run.value("flash_attn") == "fa3" and not run.facts.has_flash_attention_3:
        message = f"llamafactory {run.release} does not support fa3"
        yield Finding(("flash_attn",), message, ({"flash_attn": "fa2"}, "leave it out: auto"))


RULES = (
    Rule("FTC305", one_precision, Training),
    Rule("FTC333", attention_of_the_release, Training),
)
