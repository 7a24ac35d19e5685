"""How a training runs: the tuning method, the engine, and the launcher of its processes."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import Json, Spec, Text
from ftc.spec.source import Given


class Quantization(Spec, frozen=True):
    """Quantize the result with GPTQ.

    Source: LLaMA-Factory, model/model_utils/quantization.py.
    """

    bits: Literal[2, 3, 4, 8]
    """The number of bits of a quantized weight."""
    dataset: Text
    """The calibration data: a file on a volume, or the name of a dataset on a hub."""
    arguments: Json = {}
    """Further arguments of LLaMA-Factory's export."""


class Method(Spec, frozen=True):
    """A training stage and a tuning type, with LLaMA-Factory's arguments for them.

    An `adapter` is trained further, or, with train.create_new_adapter=true, merged into the base model, on which a new
    adapter is trained.
    """

    stage: Literal["pt", "sft", "rm", "ppo", "dpo", "kto"]
    """The training stage: pt (pre-training), sft (supervised), rm (reward model), ppo, dpo or kto."""
    finetuning_type: Literal["lora", "full", "freeze", "oft"]
    """The weights that are trained: lora and oft train an adapter, freeze some layers, full all weights."""
    arguments: Json = {}
    """Arguments of LLaMA-Factory for this method."""
    adapter: Given | None = None
    """The source of the LoRA adapter from which the training starts; null starts from the base model."""
    merge: Json | None = None
    """Arguments of the export that merges the adapter into its base model; null keeps only the adapter."""
    quantize: Quantization | None = None
    """A quantized copy of the merged, or fully tuned, model in addition; null makes none."""


class Ddp(Spec, frozen=True, tag_field="kind", tag="ddp"):
    """PyTorch's DistributedDataParallel; a single process trains alone."""


class DeepSpeed(Spec, frozen=True, tag_field="kind", tag="deepspeed"):
    """DeepSpeed ZeRO of a stage."""

    stage: Literal[0, 2, 3]
    """The stage of ZeRO: 0 shards nothing, 2 optimizer states and gradients, 3 also the weights."""
    offload: bool = False
    """Whether the optimizer states, and with stage 3 the weights, are in the memory of the host."""
    config: Json = {}
    """Settings of DeepSpeed, merged into those from LLaMA-Factory's examples."""


class Fsdp(Spec, frozen=True, tag_field="kind", tag="fsdp"):
    """PyTorch's fully sharded data parallel, configured through accelerate: FSDP1 or FSDP2."""

    version: Literal[1, 2] = 2
    """The version of FSDP: 1 or 2."""
    offload: bool = False
    """Whether the weights are in the memory of the host while they are not used."""


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
    DATASET_DIR if there is a model or a dataset; `ftc plan` shows them. A launcher needs them as options. In a pod it
    starts in the working directory of the image.
    """

    command: Annotated[tuple[Text, ...], Meta(min_length=1)]
    """The program and its arguments, as a list: [python, train.py]."""
    args: tuple[str, ...] = ()
    """Further arguments, as the args of a container."""


Launcher: TypeAlias = LlamafactoryCli | Torchrun | Accelerate | Command
