"""How a model is tuned and how the processes train together."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ftc.spec.base import Json, Spec, Text


class Quantization(Spec, frozen=True):
    """The result in fewer bits, by GPTQ: `dataset` is a file on a volume or a hub's dataset, to calibrate with.

    `arguments` are further ones of the export. Source: LLaMA-Factory, model/model_utils/quantization.py.
    """

    bits: Literal[2, 3, 4, 8]
    dataset: Text
    arguments: Json = {}


class Method(Spec, frozen=True):
    """A training stage and a tuning type, with their arguments in LLaMA-Factory's own words.

    `merge` holds the arguments of the export that merges an adapter into its base model; null leaves the adapter.
    `quantize` makes a copy in fewer bits of what was merged, or of a model that was tuned as a whole.
    """

    stage: Literal["pt", "sft", "rm", "ppo", "dpo", "kto"]
    finetuning_type: Literal["lora", "full", "freeze", "oft"]
    arguments: Json = {}
    merge: Json | None = None
    quantize: Quantization | None = None


class Ddp(Spec, frozen=True, tag_field="kind", tag="ddp"):
    """PyTorch's DistributedDataParallel; a single process trains alone."""


class DeepSpeed(Spec, frozen=True, tag_field="kind", tag="deepspeed"):
    """DeepSpeed ZeRO of a stage; `config` is merged over the settings that LLaMA-Factory ships for it."""

    stage: Literal[0, 2, 3]
    offload: bool = False
    config: Json = {}


class Fsdp(Spec, frozen=True, tag_field="kind", tag="fsdp"):
    """PyTorch's fully sharded data parallel, configured through accelerate; 1 is its first form."""

    version: Literal[1, 2] = 2
    offload: bool = False


Engine: TypeAlias = Ddp | DeepSpeed | Fsdp
