"""A rule on checkpoints whose weights are quantized already, which their names say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training

if TYPE_CHECKING:
    from collections.abc import Iterator

# Quantization methods in the names of repositories: Qwen2.5-7B-Instruct-GPTQ-Int4, llama-3-8b-bnb-4bit.
_QUANTIZED = re.compile(
    r"(?<![a-z])(?:awq|gptq|aqlm|hqq|eetq|bnb|quip|w4a16|w8a8|w8a16|int[348]|[348]-?bits?)(?![a-z])", re.IGNORECASE
)
_FP8 = re.compile(r"(?<![a-z])fp8(?![a-z])|deepseek-(?:v3|r1)(?:[-.][0-9]+)?$", re.IGNORECASE)


def quantized(model: str) -> bool:
    """Whether the name of a model says that LLaMA-Factory loads its weights quantized."""
    return _QUANTIZED.search(_name(model)) is not None


def _name(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]


def quantized_checkpoint_sharded(run: Training) -> Iterator[Finding]:
    """A checkpoint with quantized weights is not sharded.

    LLaMA-Factory stops when it loads the model: `DeepSpeed ZeRO-3 or FSDP is incompatible with PTQ-quantized models`.
    From 0.9.5 on it restores FP8 weights first. ftc reads the quantization from the name of the model.
    Source: LLaMA-Factory, model/model_utils/quantization.py (configure_quantization).

    Wrong: model=custom model.id=Qwen/Qwen2.5-7B-Instruct-AWQ model.template=qwen method.merge=null
      engine=deepspeed-z3 devices=8
    Right: model=custom model.id=Qwen/Qwen2.5-7B-Instruct-AWQ model.template=qwen method.merge=null
      engine=deepspeed-z2 devices=8
    """
    model = run.model or ""
    keeps_fp8 = "fp8" not in (run.schema("quantization_method").get("enum") or ())
    if run.sharded and (quantized(model) or (keeps_fp8 and _FP8.search(_name(model)))):
        message = f"{run.sharded} cannot shard the quantized weights of {model}"
        help_ = ({"deepspeed": None}, {"zero_stage": 2}, "train the model that is not quantized, with quantization_bit")
        yield Finding(("model_name_or_path",), message, help_, (("deepspeed",),))


RULES = (Rule("FTC480", "quantized-checkpoint-sharded", quantized_checkpoint_sharded, Training),)
