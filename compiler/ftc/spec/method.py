"""How a training runs: the tuning method, the engine, and the launcher of its processes."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import Json, Spec, Text
from ftc.spec.source import Staged


class Quantization(Spec, frozen=True):
    """Quantize the result with GPTQ: `dataset` is the calibration data, a file on a volume or a dataset on a hub.

    `arguments` are further arguments of the export. Source: LLaMA-Factory, model/model_utils/quantization.py.
    """

    bits: Literal[2, 3, 4, 8]
    dataset: Text
    arguments: Json = {}


class Method(Spec, frozen=True):
    """A training stage and a tuning type, with LLaMA-Factory's arguments for them.

    `adapter` is the LoRA adapter from which the training starts: it is trained further, or, with
    train.create_new_adapter=true, merged into the base model, on which a new adapter is trained.
    `merge` holds the arguments of the export that merges an adapter into its base model; null keeps the adapter.
    `quantize` adds a quantized copy of the merged model, or of a fully tuned model.
    """

    stage: Literal["pt", "sft", "rm", "ppo", "dpo", "kto"]
    finetuning_type: Literal["lora", "full", "freeze", "oft"]
    arguments: Json = {}
    adapter: Staged | None = None
    merge: Json | None = None
    quantize: Quantization | None = None


class Ddp(Spec, frozen=True, tag_field="kind", tag="ddp"):
    """PyTorch's DistributedDataParallel; a single process trains alone."""


class DeepSpeed(Spec, frozen=True, tag_field="kind", tag="deepspeed"):
    """DeepSpeed ZeRO of a stage; `config` is merged into the settings from LLaMA-Factory's examples."""

    stage: Literal[0, 2, 3]
    offload: bool = False
    config: Json = {}


class Fsdp(Spec, frozen=True, tag_field="kind", tag="fsdp"):
    """PyTorch's fully sharded data parallel, configured through accelerate: FSDP1 or FSDP2."""

    version: Literal[1, 2] = 2
    offload: bool = False


Engine: TypeAlias = Ddp | DeepSpeed | Fsdp


class LlamafactoryCli(Spec, frozen=True, tag_field="kind", tag="llamafactory-cli"):
    """`llamafactory-cli train`, which calls torchrun itself if there are several processes."""


class Torchrun(Spec, frozen=True, tag_field="kind", tag="torchrun"):
    """`torchrun -m llamafactory.launcher`."""


class Accelerate(Spec, frozen=True, tag_field="kind", tag="accelerate"):
    """`accelerate launch -m llamafactory.launcher`, with a config file that ftc generates."""


class Command(Spec, frozen=True, tag_field="kind", tag="command"):
    """A program of the user: an argument list, not a shell command line.

    Its environment has NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR, MASTER_PORT and RUN_DIR, and MODEL_DIR and
    DATASET_DIR if there is a model or a dataset; `ftc plan` shows them. A launcher needs them as options.
    """

    command: Annotated[tuple[Text, ...], Meta(min_length=1)]
    args: tuple[str, ...] = ()


Launcher: TypeAlias = LlamafactoryCli | Torchrun | Accelerate | Command
