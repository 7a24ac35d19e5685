"""The facts that decide how much device memory a training needs, read from a spec.

What follows from the model's sizes are the parameters and the saved activations of a decoder, from its config.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.spec.method import Ddp, DeepSpeed, Engine, Fsdp
from ftc.spec.model import Architecture
from ftc.trainer import engines, release
from ftc.trainer.arguments import chosen
from ftc.trainer.values import AT_LEAST_ONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.spec.method import Method


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a training: `tokens` per micro-batch, `accumulation` micro-batches per optimizer step.

    `adapter_rank` is None if all weights are trained. `mixed` means that trained weights are fp32 and computation uses
    16 bits (autocast); otherwise everything is 16 bits. `optimizer_bytes` are the states per trained parameter,
    `step_bytes` the additional bytes during the step.
    """

    architecture: Architecture
    engine: Engine
    processes: int
    tokens: int
    length: int
    accumulation: int
    adapter_rank: int | None
    targets: tuple[str, ...]
    mixed: bool
    checkpointing: bool
    eager: bool
    quantized_bits: int | None
    optimizer_bytes: int
    step_bytes: int
    trains_tower: bool
    preference: bool

    @property
    def casts(self) -> bool:
        """Whether autocast casts fp32 weights for each operation; DeepSpeed and FSDP cast all weights beforehand.

        bitsandbytes' modules do not cast an adapter's input (peft, tuners/lora/bnb.py).
        """
        return self.mixed and isinstance(self.engine, Ddp) and self.quantized_bits is None


# The linear modules of a layer with their input and output, named as in `widths`. LLaMA-Factory's `all` is every linear
# module except the output layer (model/model_utils/misc.py, find_all_linear_modules).
MODULES = {
    "all": (),
    "q_proj": (("hidden", "queries"),),
    "k_proj": (("hidden", "keys"),),
    "v_proj": (("hidden", "keys"),),
    "qkv_proj": (("hidden", "queries"), ("hidden", "keys"), ("hidden", "keys")),
    "o_proj": (("queries", "hidden"),),
    "gate_proj": (("hidden", "inner"),),
    "up_proj": (("hidden", "inner"),),
    "gate_up_proj": (("hidden", "inner"), ("hidden", "inner")),
    "down_proj": (("inner", "hidden"),),
}
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


def widths(model: Architecture) -> dict[str, int]:
    """The input and output widths of modules for one token; for a mixture, the sum over the active experts."""
    experts = model.experts
    return {
        "hidden": model.hidden_size,
        "queries": model.attention_heads * model.head_size,
        "keys": model.kv_heads * model.head_size,
        "inner": experts.per_token * experts.intermediate_size if experts else model.intermediate_size,
    }


def embedding(model: Architecture) -> int:
    """The parameters of one embedding: of the input or of the output layer."""
    return model.vocabulary * model.hidden_size


def embeddings(model: Architecture) -> int:
    """The parameters of both embeddings, which may be tied."""
    return embedding(model) * (1 if model.tied_embeddings else 2)


def layer(model: Architecture) -> int:
    """The parameters of one layer of the decoder."""
    return (model.parameters - embeddings(model) - model.vision_parameters) // model.layers


def trained(training: Training) -> int:
    """The trained parameters: two low-rank factors per module, or all but a frozen vision tower.

    LLaMA-Factory freezes tower and projector by default (freeze_vision_tower, freeze_multi_modal_projector). In
    transformers 5 experts are not linear modules, so an adapter skips them.
    """
    model = training.architecture
    if training.adapter_rank is None:
        return model.parameters - (0 if training.trains_tower else model.vision_parameters)
    width = widths(model)
    pairs = [pair for name in adapted(training) for pair in MODULES[name]]
    return training.adapter_rank * model.layers * sum(width[a] + width[b] for a, b in pairs)


def adapted(training: Training) -> tuple[str, ...]:
    """The modules of a layer that have an adapter."""
    if "all" not in training.targets:
        return training.targets
    return _ATTENTION if training.architecture.experts else (*_ATTENTION, *_FEED_FORWARD)


def saved_by_layer(training: Training) -> int:
    """The bytes per token that a layer saves for its backward pass.

    Counted in transformers' modeling code (RMSNorm in fp32, normalized q and k, rotary positions, attention that saves
    q, k, v, its output and one sum per head, silu(gate) * up), and confirmed with saved-tensor hooks.
    """
    model, width = training.architecture, widths(training.architecture)
    hidden, queries, keys, inner = (width[name] for name in ("hidden", "queries", "keys", "inner"))
    attention = 4 * queries + 4 * keys + 4 * model.attention_heads
    if training.eager:  # scores in fp32 and 16 bits, keys and values repeated per query head
        attention += 6 * model.attention_heads * training.length + 4 * (queries - keys)
    return 8 * hidden + attention + 6 * inner + _inputs(training, width) + _normalised(training, width)


def _inputs(training: Training, width: dict[str, int]) -> int:
    """The inputs that linear modules save, unless another module has saved them.

    A frozen module saves nothing. Under autocast each trained module saves its own 16-bit copy, because peft casts an
    adapter's input to fp32 (tuners/lora/layer.py) and norms return fp32 in full tuning.
    """
    if training.adapter_rank is None:
        copies = 5 if training.casts else 2  # one each for q, k, v, gate and up, or shared
        return 2 * copies * width["hidden"] + 2 * width["inner"]
    sources = [source for name in adapted(training) for source, _ in MODULES[name]]
    if training.casts:
        return sum(2 * width[source] for source in sources)
    shared = {name for name in adapted(training) if name != "o_proj"}
    attention, feed = shared & {"q_proj", "k_proj", "v_proj", "qkv_proj"}, shared & {"gate_proj", "up_proj"}
    inner = 2 * width["inner"] if "down_proj" in shared else 0
    return 2 * width["hidden"] * (bool(attention) + bool(feed or shared & {"gate_up_proj"})) + inner


def _normalised(training: Training, width: dict[str, int]) -> int:
    """The inputs that norms save in fp32; trained norms save their output too, the norms of q and k save both."""
    full = training.adapter_rank is None
    of_heads = (width["queries"] + width["keys"]) * (6 if full else 4) if training.architecture.qk_norm else 0
    if not full:
        return of_heads
    return of_heads + width["hidden"] * (8 if training.casts else 4)


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
    *("enable_liger_kernel", "additional_target", "mixture_of_depths", "resize_vocab", "upcast_lmhead_output"),
    *("use_asft_loss", "use_hyper_parallel"),
)
_NUMBERS = ("cutoff_len", "per_device_train_batch_size", "gradient_accumulation_steps", "lora_rank")
_SIZES = ("reduce_bucket_size", "sub_group_size", "stage3_max_live_parameters")


class Unknown(msgspec.Struct, frozen=True):
    """Why the memory cannot be estimated."""

    reason: str


def read(spec: JobSpec) -> Training | Unknown:
    """The facts, or the first reason why there is no estimate."""
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
    pure, preference = arguments.get("pure_bf16") is True, method.stage == "dpo"
    optimizer = arguments["optim"]
    sequences = arguments["per_device_train_batch_size"] * (2 if preference else 1)  # chosen and rejected
    return Training(
        architecture=architecture,
        engine=spec.engine,
        processes=spec.nodes * spec.devices,
        tokens=sequences * arguments["cutoff_len"],
        length=arguments["cutoff_len"],
        accumulation=arguments["gradient_accumulation_steps"],
        adapter_rank=arguments["lora_rank"] if method.finetuning_type == "lora" else None,
        targets=_targets(arguments),
        mixed=not pure,
        checkpointing=arguments.get("disable_gradient_checkpointing") is not True,
        eager=arguments.get("flash_attn") == "disabled",
        quantized_bits=arguments.get("quantization_bit"),
        optimizer_bytes=_STATES[optimizer] // (2 if pure else 1),
        step_bytes=4 if optimizer == "adamw_torch" else 0,
        trains_tower=arguments.get("freeze_vision_tower") is False,
        preference=preference,
    )


def _reasons(spec: JobSpec, method: Method) -> Iterator[str]:
    """Reasons why the formulas do not apply."""
    arguments = _arguments(spec)
    stage, tuning = method.stage, method.finetuning_type
    if stage not in ("pt", "sft", "dpo") or tuning not in ("lora", "full") or (stage, tuning) == ("dpo", "full"):
        yield f"{tuning} tuning in stage {stage} is not covered"
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
    defaults = {name: release.default(pair, name) for name in (*_NUMBERS, "optim")}
    return {**defaults, **given, "optim": str(given.get("optim", defaults["optim"]))}
