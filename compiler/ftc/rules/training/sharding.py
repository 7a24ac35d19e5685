"""Rules on quantized weights and on the engines that shard a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training
from ftc.source.unknown import Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_NOT_UNDER_ZERO_3 = {
    "predict_with_generate": "needs whole weights, but ZeRO-3 shards them",
    "pissa_init": "needs whole weights, but ZeRO-3 shards them",
    "pure_bf16": "keeps no weights in fp32, but ZeRO-3 needs them",
    "use_unsloth": "patches whole layers, but ZeRO-3 shards them",
    "use_kt": "keeps the experts on the CPU, but ZeRO-3 shards them",
    "auto_find_batch_size": "restarts with smaller batches, which ZeRO-3 does not support",
}


def zero3_shards_what_it_can(run: Training) -> Iterator[Finding]:
    """Under ZeRO-3 nothing needs whole weights.

    LLaMA-Factory stops at once: `… is incompatible with DeepSpeed ZeRO-3` (hparams/parser.py), transformers after the
    model is loaded for `auto_find_batch_size` (trainer.py).

    Wrong: engine=deepspeed-z3 devices=8 train.pure_bf16=true
    Right: engine=deepspeed-z2 devices=8 train.pure_bf16=true
    """
    for name, reason in _NOT_UNDER_ZERO_3.items() if run.zero3 else ():
        if run.on(name):
            yield Finding((name,), reason, ({"zero_stage": 2}, {"deepspeed": None}), (("deepspeed",),))


def quantized_weights_are_left_alone(run: Training) -> Iterator[Finding]:
    """Quantized weights are not trained, resized or spread over devices.

    LLaMA-Factory stops at once: `Quantization is only compatible with the LoRA or OFT method` (hparams/parser.py;
    0.9.3: LoRA).

    Wrong: method=full-sft train.quantization_bit=4
    Right: method=lora-sft train.quantization_bit=4
    """
    if run.quantized and run.tuning not in ("lora", "oft"):
        message = f"quantized weights cannot be trained, but finetuning_type is {run.tuning}"
        yield Finding(("quantization_bit",), message, {"finetuning_type": "lora"}, (("finetuning_type",),))
    if run.quantized and run.on("resize_vocab"):
        yield Finding(("resize_vocab",), "the embeddings of a quantized model cannot be resized", "leave it out")
    if run.quantized and run.on("fp8"):
        yield Finding(("fp8",), "does not work with quantization_bit", "leave out one of the two")
    if run.value("quantization_device_map") == "auto":
        message = "auto spreads a model over all devices, which does not work in a training"
        yield Finding(("quantization_device_map",), message, "leave it out")


_BITS: dict[str, tuple[int, ...]] = {"bnb": (4, 8), "hqq": (1, 2, 3, 4, 5, 6, 8), "eetq": (8,)}


def bits_fit_the_method(run: Training) -> Iterator[Finding]:
    """Weights are quantized to a number of bits that the method and the engine support.

    LLaMA-Factory finds out when it loads the model (model/model_utils/quantization.py): bitsandbytes has 4 and 8 bits
    and shards 4, HQQ and EETQ cannot be sharded. A reference or reward model has 4 or 8 bits
    (hparams/finetuning_args.py).

    Wrong: train.quantization_bit=6
    Right: train.quantization_bit=6 train.quantization_method=hqq
    """
    for name in ("ref_model_quantization_bit", "reward_model_quantization_bit"):
        if run.value(name) not in (None, 4, 8):
            yield Finding((name,), "must be 4 or 8", "leave it out for a model that is not quantized")
    bits, method = run.value("quantization_bit"), run.value("quantization_method")
    if run.quantized and method in _BITS:
        if bits not in _BITS[method]:
            known = ", ".join(map(str, _BITS[method]))
            yield Finding(("quantization_bit",), f"{method} does not support {bits} bits", f"it supports {known}")
        elif (method, bits) != ("bnb", 4) and run.sharded:
            message = f"{run.sharded} cannot shard {bits} bits of {method}"
            help_ = ({"quantization_bit": 4, "quantization_method": "bnb"}, {"zero_stage": 2})
            yield Finding(("quantization_bit",), message, help_, (("deepspeed",),))


def quantization_happens(run: Training) -> Iterator[Finding]:
    """The quantization method can quantize weights while it loads them.

    For `gptq`, `awq` and the like the model comes quantized; with `quantization_bit` LLaMA-Factory loads whole weights
    and says nothing (model/model_utils/quantization.py, configure_quantization).

    Wrong: train.quantization_bit=4 train.quantization_method=gptq
    Right: train.quantization_bit=4 train.quantization_method=bnb
    """
    method = run.value("quantization_method")
    if run.quantized and isinstance(method, str) and method not in _BITS:
        message = f"{method} does not quantize weights while it loads them, so that they stay as they are"
        help_ = "use bnb, hqq or eetq; for a model that is quantized already, leave quantization_bit out"
        yield Finding(("quantization_method",), message, help_)


def deepspeed_agrees(run: Training) -> Iterator[Finding]:
    """The configuration of DeepSpeed agrees with the training arguments.

    transformers compares the two after the model is loaded: `Please correct the following DeepSpeed config values that
    mismatch TrainingArguments values` (integrations/deepspeed.py).

    Wrong: engine=deepspeed-z2 devices=2 engine.config.gradient_accumulation_steps=4
    Right: engine=deepspeed-z2 devices=2 train.gradient_accumulation_steps=4
    """
    if run.zero is None or run.on("auto_find_batch_size"):
        return
    for path, (name, argument) in _COUNTERPARTS.items():
        stated = _at(run.zero, path)
        if stated in (None, "auto"):
            continue
        value = argument(run)
        if isinstance(stated, str) or stated != value:
            shown = f'the text "{stated}"' if isinstance(stated, str) else stated
            message = f"DeepSpeed's is {shown}, and the training's {name} is {value}"
            help_ = f"leave it out: it follows from {name}"
            yield Finding(("deepspeed", *path), message, help_, run.along(name))


def offload_has_a_part(run: Training) -> Iterator[Finding]:
    """The optimizer is offloaded only if ZeRO shards it.

    Stage 0 shards nothing; transformers and DeepSpeed keep the optimizer of stage 2, and the parameters of stage 3, on
    the host (transformers, integrations/deepspeed.py, is_offload), and only those.

    Wrong: engine=deepspeed-z0 engine.offload=true devices=2
    Right: engine=deepspeed-z2 engine.offload=true devices=2
    """
    settings = run.zero.get("zero_optimization") if run.zero is not None else None
    offloads = isinstance(settings, Fields) and settings.get("stage") == 0 and "offload_optimizer" in settings
    if offloads:
        message = "ZeRO stage 0 shards nothing, so that nothing is offloaded"
        where = ("deepspeed", "zero_optimization", "offload_optimizer")
        yield Finding(where, message, {"zero_stage": 2}, (("deepspeed",),))


def _batch(run: Training) -> float:
    return run.number("per_device_train_batch_size") * run.number("gradient_accumulation_steps") * run.world


# Keys of DeepSpeed's configuration, each with the argument that it must agree with.
_COUNTERPARTS: dict[tuple[str, ...], tuple[str, Callable[[Training], object]]] = {
    ("train_micro_batch_size_per_gpu",): (
        "per_device_train_batch_size",
        lambda run: run.value("per_device_train_batch_size"),
    ),
    ("gradient_accumulation_steps",): (
        "gradient_accumulation_steps",
        lambda run: run.value("gradient_accumulation_steps"),
    ),
    ("train_batch_size",): ("batch * accumulation * processes", _batch),
    ("gradient_clipping",): ("max_grad_norm", lambda run: run.value("max_grad_norm")),
    ("bf16", "enabled"): ("bf16", lambda run: run.on("bf16") or run.on("bf16_full_eval")),
    ("fp16", "enabled"): ("fp16", lambda run: run.on("fp16") or run.on("fp16_full_eval")),
}


def _at(config: Fields, path: tuple[str, ...]) -> object:
    value: object = config
    for key in path:
        value = value.get(key) if isinstance(value, Fields) else None
    return value


RULES = (
    Rule("FTC436", zero3_shards_what_it_can, Training),
    Rule("FTC437", quantized_weights_are_left_alone, Training),
    Rule("FTC438", bits_fit_the_method, Training),
    Rule("FTC439", quantization_happens, Training, Severity.WARNING),
    Rule("FTC440", deepspeed_agrees, Training),
    Rule("FTC469", offload_has_a_part, Training),
)
