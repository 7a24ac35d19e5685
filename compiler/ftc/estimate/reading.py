"""Read the facts of a training from a spec, or say why they are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.estimate.facts import CHUNKED, DPO, KTO, MODULES, PAIRS, REWARD, SUPERVISED, Training
from ftc.spec.method import DeepSpeed, Fsdp
from ftc.trainer import engines, release
from ftc.trainer.arguments import chosen
from ftc.trainer.values import AT_LEAST_ONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.method import Method
    from ftc.spec.model import Architecture

# Bytes of optimizer state per trained parameter in fp32 (transformers, training_args.py, OptimizerNames).
_STATES = {
    **dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "adamw_torch_npu_fused"), 8),
    **dict.fromkeys(("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit", "adamw_torch_8bit"), 2),
    **dict.fromkeys(("lion_32bit", "paged_lion_32bit", "rmsprop", "adagrad"), 4),
    **dict.fromkeys(("lion_8bit", "paged_lion_8bit"), 1),
    **dict.fromkeys(("sgd", "adafactor"), 0),
    "paged_adamw_32bit": 8,
}
# Each of these stores weights, gradients or logits differently.
_OTHER_WAYS = (
    *("use_galore", "use_apollo", "use_badam", "use_unsloth", "use_unsloth_gc", "use_kt", "use_llama_pro", "fp8"),
    *("additional_target", "mixture_of_depths", "resize_vocab", "upcast_lmhead_output"),
    *("use_asft_loss", "use_hyper_parallel"),
)
# The first release of transformers whose experts are one tensor per layer.
_FUSED_EXPERTS = 5
_NUMBERS = ("cutoff_len", "per_device_train_batch_size", "gradient_accumulation_steps", "lora_rank")
_SIZES = ("reduce_bucket_size", "sub_group_size", "stage3_max_live_parameters")


class Unknown(msgspec.Struct, frozen=True):
    """Why the memory cannot be estimated."""

    reason: str


def read(spec: JobSpec) -> Training | Unknown:
    """The facts, or the first reason why they are unknown."""
    model, method = spec.model, spec.method
    if not spec.trains or model is None or method is None:
        return Unknown("the program is not LLaMA-Factory")
    if model.architecture is None:
        return Unknown("model.architecture is not given")
    for reason in _reasons(spec, method):
        return Unknown(reason)
    return _training(spec, method, model.architecture)


def _training(spec: JobSpec, method: Method, architecture: Architecture) -> Training:
    arguments = _arguments(spec)
    pure, tuning = arguments.get("pure_bf16") is True, method.finetuning_type
    optimizer = arguments["optim"]
    liger, stage = arguments.get("enable_liger_kernel") is True, _stage(method, arguments)
    loss = _LOSSES.get(stage, CHUNKED if liger else SUPERVISED)
    layers = _trained_layers(arguments, architecture) if tuning == "freeze" else None
    return Training(
        architecture=architecture,
        engine=spec.engine,
        processes=spec.nodes * spec.devices,
        tokens=loss.sequences * arguments["per_device_train_batch_size"] * arguments["cutoff_len"],
        length=arguments["cutoff_len"],
        accumulation=arguments["gradient_accumulation_steps"],
        adapter_rank=arguments["lora_rank"] if tuning == "lora" else None,
        targets=_targets(arguments),
        mixed=not pure,
        checkpointing=arguments.get("disable_gradient_checkpointing") is not True,
        eager=arguments.get("flash_attn") == "disabled",
        quantized_bits=architecture.quantized_bits or arguments.get("quantization_bit"),
        quantizes=architecture.quantized_bits is None,
        optimizer_bytes=_STATES[optimizer] // (2 if pure else 1),
        step_bytes=4 if optimizer == "adamw_torch" else 0,
        trains_tower=arguments.get("freeze_vision_tower") is False,
        stage=stage,
        loss=loss,
        reference=loss in (DPO, KTO) and (tuning != "lora" or arguments.get("ref_model") is not None),
        trained_layers=layers,
        saving_layers=layers if layers is not None and arguments["freeze_trainable_layers"] > 0 else None,
        liger=liger,
        fused_experts=int(spec.trainer.transformers.partition(".")[0]) >= _FUSED_EXPERTS,
    )


_LOSSES = {"dpo": DPO, "kto": KTO, "rm": REWARD, "orpo": PAIRS, "simpo": PAIRS}


def _stage(method: Method, arguments: Json) -> str:
    """The stage; ORPO and SimPO are losses of the stage dpo that need no reference."""
    loss = arguments.get("pref_loss")
    return loss if method.stage == "dpo" and loss in ("orpo", "simpo") else method.stage


def _trained_layers(arguments: Json, model: Architecture) -> int:
    """The last layers, or the first if the number is negative (LLaMA-Factory, model/adapter.py)."""
    return min(abs(int(arguments["freeze_trainable_layers"])), model.layers)


def _reasons(spec: JobSpec, method: Method) -> Iterator[str]:
    """Reasons why the formulas do not apply."""
    arguments = _arguments(spec)
    stage, tuning = method.stage, method.finetuning_type
    if stage == "ppo" or tuning == "oft":
        yield f"{tuning} tuning in stage {stage} is not covered"
    if tuning == "freeze":
        yield from _not_frozen(arguments)
    if isinstance(spec.engine, Fsdp) and spec.engine.version == 1:
        yield "FSDP1 is not covered"
    yield from (f"{name} is not covered" for name in _OTHER_WAYS if arguments.get(name))
    if not any(arguments.get(name) is True for name in ("bf16", "fp16", "pure_bf16")):
        yield "training in full precision is not covered"
    if arguments["optim"] not in _STATES:
        yield f"optim {arguments['optim']} is not covered"
    if tuning == "lora":
        yield from (f"lora_target {name} is not known" for name in _targets(arguments) if name not in MODULES)
    yield from _not_numbers(spec, arguments)


def _not_frozen(arguments: Json) -> Iterator[str]:
    """Reasons why the trained layers are not known."""
    layers, modules = arguments["freeze_trainable_layers"], arguments.get("freeze_trainable_modules", "all")
    if type(layers) is not int or layers == 0:
        yield "freeze_trainable_layers is not a number"
    if modules not in ("all", ["all"]):
        yield "freeze_trainable_modules other than all is not covered"
    if arguments.get("freeze_extra_modules"):
        yield "freeze_extra_modules is not covered"


def _not_numbers(spec: JobSpec, arguments: Json) -> Iterator[str]:
    """Values that another rule rejects, or that the trainer fills in."""
    given: Json = {name: arguments[name] for name in _NUMBERS}
    if isinstance(spec.engine, DeepSpeed):
        zero: Any = engines.deepspeed_config(spec.engine)["zero_optimization"]
        given |= (
            {name: zero[name] for name in _SIZES if name in zero} if isinstance(zero, dict) else {"engine.config": ""}
        )
        if spec.engine.stage == 3:  # noqa: PLR2004 - the name of the stage
            given.pop("reduce_bucket_size", None)
    yield from (f"{name} is not a number" for name, value in given.items() if type(value) is not int or value < 1)
    yield from (f"{name} is out of range" for name, value in given.items() if not AT_LEAST_ONE.takes(value))
    if arguments.get("quantization_bit") not in (None, 2, 3, 4, 5, 6, 8):
        yield "quantization_bit is not known"


def _targets(arguments: Json) -> tuple[str, ...]:
    given = arguments.get("lora_target", "all")
    names = given if isinstance(given, list) else str(given).split(",")
    return tuple(str(name).strip() for name in names)


def _arguments(spec: JobSpec) -> Json:
    """The arguments that the formulas read; unset ones have the trainer's default."""
    pair = release.nearest(spec.trainer)
    given = chosen(spec)
    defaults = {name: release.default(pair, name) for name in (*_NUMBERS, "freeze_trainable_layers", "optim")}
    return {**defaults, **given, "optim": str(given.get("optim", defaults["optim"]))}
