"""Rules on quantized weights and on the engines that shard a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.checks.training import of_training
from ftc.diagnostics.model import Severity
from ftc.spec.method import DeepSpeed
from ftc.trainer import deepspeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.checks.training import Training
    from ftc.spec.base import Json

_NOT_UNDER_ZERO_3 = {
    "predict_with_generate": "generates with whole weights, and ZeRO-3 shards them",
    "pissa_init": "takes whole weights apart, and ZeRO-3 shards them",
    "pure_bf16": "keeps no weights in fp32, and ZeRO-3 trains those",
    "use_unsloth": "patches whole layers, and ZeRO-3 shards them",
    "use_kt": "keeps the experts on the CPU by itself, and ZeRO-3 shards them",
    "auto_find_batch_size": "starts again with smaller batches, which ZeRO-3 cannot",
}


@of_training
def zero3_shards_what_it_can(run: Training) -> Iterator[Finding]:
    """Under ZeRO-3 nothing needs whole weights.

    LLaMA-Factory stops at once: `… is incompatible with DeepSpeed ZeRO-3` (hparams/parser.py), transformers after the
    model is loaded for `auto_find_batch_size` (trainer.py).

    Wrong: engine=deepspeed-z3 devices=8 train.pure_bf16=true
    Right: engine=deepspeed-z2 devices=8 train.pure_bf16=true
    """
    for name, reason in _NOT_UNDER_ZERO_3.items() if run.zero3 else ():
        if run.on(name):
            yield Finding(run.at(name), reason, "use engine=deepspeed-z2 or engine=ddp", (("engine",),))


@of_training
def quantized_weights_are_left_alone(run: Training) -> Iterator[Finding]:
    """Quantized weights are not trained, resized or moved: an adapter is.

    LLaMA-Factory stops at once: `Quantization is only compatible with the LoRA or OFT method` (hparams/parser.py;
    0.9.3: LoRA).

    Wrong: method=full-sft train.quantization_bit=4
    Right: method=lora-sft train.quantization_bit=4
    """
    if run.quantized and run.tuning not in ("lora", "oft"):
        message = f"weights that are quantized cannot be tuned, and finetuning_type is {run.tuning}"
        yield Finding(run.at("quantization_bit"), message, "use method=lora-sft", (("method", "finetuning_type"),))
    if run.quantized and run.on("resize_vocab"):
        yield Finding(run.at("resize_vocab"), "embeddings of a quantized model keep their size", "leave it out")
    if run.quantized and run.on("fp8"):
        yield Finding(run.at("fp8"), "weights are quantized or trained in fp8, not both", "leave out one of the two")
    if run.value("quantization_device_map") == "auto":
        message = "spreads one model over devices, and each process of a training has its own"
        yield Finding(run.at("quantization_device_map"), message, "leave it out")


_BITS: dict[str, tuple[int, ...]] = {"bnb": (4, 8), "hqq": (1, 2, 3, 4, 5, 6, 8), "eetq": (8,)}


@of_training
def bits_fit_the_method(run: Training) -> Iterator[Finding]:
    """Weights are quantized to a number of bits that the method and the engine have.

    LLaMA-Factory finds out when it loads the model (model/model_utils/quantization.py): bitsandbytes has 4 and 8 bits
    and shards 4, HQQ and EETQ cannot be sharded. A reference or reward model has 4 or 8 bits
    (hparams/finetuning_args.py).

    Wrong: train.quantization_bit=6
    Right: train.quantization_bit=6 train.quantization_method=hqq
    """
    bits, method = run.value("quantization_bit"), run.value("quantization_method")
    if run.quantized and method in _BITS:
        if bits not in _BITS[method]:
            known = ", ".join(map(str, _BITS[method]))
            yield Finding(run.at("quantization_bit"), f"{method} has no {bits} bits", f"it has {known}")
        elif run.sharded and (method, bits) != ("bnb", 4):
            message = f"{run.sharded} cannot shard {bits} bits of {method}"
            help_ = "use train.quantization_bit=4 with bnb, or engine=deepspeed-z2"
            yield Finding(run.at("quantization_bit"), message, help_, (("engine",),))
    for name in ("ref_model_quantization_bit", "reward_model_quantization_bit"):
        if run.value(name) not in (None, 4, 8):
            yield Finding(run.at(name), "must be 4 or 8", "leave it out for a model that is not quantized")


@of_training
def quantization_happens(run: Training) -> Iterator[Finding]:
    """Weights are quantized by a method that does it while they are loaded.

    For `gptq`, `awq` and the like the model comes quantized; with `quantization_bit` LLaMA-Factory loads whole weights
    and says nothing (model/model_utils/quantization.py, configure_quantization).

    Wrong: train.quantization_bit=4 train.quantization_method=gptq
    Right: train.quantization_bit=4 train.quantization_method=bnb
    """
    method = run.value("quantization_method")
    if run.quantized and isinstance(method, str) and method not in _BITS:
        message = f"{method} does not quantize while loading: the weights stay as they are"
        help_ = "use bnb, hqq or eetq; for a model that is quantized already, leave quantization_bit out"
        yield Finding(run.at("quantization_method"), message, help_)


@of_training
def deepspeed_agrees(run: Training) -> Iterator[Finding]:
    """DeepSpeed's configuration says what the training arguments say.

    transformers compares the two after the model is loaded: `Please correct the following DeepSpeed config values that
    mismatch TrainingArguments values` (integrations/deepspeed.py).

    Wrong: engine=deepspeed-z2 devices=2 engine.config.gradient_accumulation_steps=4
    Right: engine=deepspeed-z2 devices=2 train.gradient_accumulation_steps=4
    """
    if not isinstance(run.spec.engine, DeepSpeed) or run.on("auto_find_batch_size"):
        return
    config = deepspeed.config(run.spec.engine)
    for path, (name, value) in _counterparts(run).items():
        stated = _at(config, path)
        if stated not in (None, "auto") and stated != value:
            message = f"is {stated}, and {name} is {value}"
            help_ = f"leave it out: it follows from {name}"
            yield Finding(("engine", "config", *path), message, help_, run.along(name))


@of_training
def offload_has_a_part(run: Training) -> Iterator[Finding]:
    """What lies in the memory of the host is a part of what ZeRO shards.

    Stage 0 shards nothing; transformers and DeepSpeed keep the optimizer of stage 2, and the parameters of stage 3, on
    the host (transformers, integrations/deepspeed.py, is_offload), and only those.

    Wrong: engine=deepspeed-z0 engine.offload=true devices=2
    Right: engine=deepspeed-z2 engine.offload=true devices=2
    """
    if isinstance(run.spec.engine, DeepSpeed) and run.spec.engine.stage == 0 and run.spec.engine.offload:
        message = "stage 0 shards nothing, and what is not sharded stays on the device"
        yield Finding(("engine", "offload"), message, "use engine=deepspeed-z2-offload", (("engine", "stage"),))


def _counterparts(run: Training) -> dict[tuple[str, ...], tuple[str, object]]:
    """Keys of DeepSpeed's configuration, each with the argument that it must agree with."""
    batch, steps = run.value("per_device_train_batch_size"), run.value("gradient_accumulation_steps")
    whole = run.number("per_device_train_batch_size") * run.number("gradient_accumulation_steps") * run.processes
    precisions: dict[tuple[str, ...], tuple[str, object]] = {
        (name, "enabled"): (name, run.on(name) or run.on(f"{name}_full_eval")) for name in ("bf16", "fp16")
    }
    return {
        ("train_micro_batch_size_per_gpu",): ("per_device_train_batch_size", batch),
        ("gradient_accumulation_steps",): ("gradient_accumulation_steps", steps),
        ("train_batch_size",): ("batch * accumulation * processes", whole),
        ("gradient_clipping",): ("max_grad_norm", run.value("max_grad_norm")),
        **precisions,
    }


def _at(config: Json, path: tuple[str, ...]) -> object:
    value: object = config
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


RULES = (
    Rule("FTC436", zero3_shards_what_it_can),
    Rule("FTC437", quantized_weights_are_left_alone),
    Rule("FTC438", bits_fit_the_method),
    Rule("FTC439", quantization_happens, Severity.WARNING),
    Rule("FTC440", deepspeed_agrees),
    Rule("FTC469", offload_has_a_part),
)
