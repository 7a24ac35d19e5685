"""Rules on quantized weights, on the engines that shard a model, and on their configuration files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Severity, nearest
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training
from ftc.source.unknown import Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOT_UNDER_ZERO_3 = {
    "predict_with_generate": "needs unsharded weights, but ZeRO-3 shards them",
    "pissa_init": "needs unsharded weights, but ZeRO-3 shards them",
    "pure_bf16": "keeps no weights in fp32, but ZeRO-3 needs them",
    "use_unsloth": "patches whole layers, but ZeRO-3 shards them",
    "use_kt": "keeps the experts on the CPU, but ZeRO-3 shards them",
    "auto_find_batch_size": "restarts with smaller batches, which ZeRO-3 does not support",
}


def zero3_unsupported_feature(run: Training) -> Iterator[Finding]:
    """Features that need unsharded weights are not used under ZeRO-3.

    LLaMA-Factory stops at once: `… is incompatible with DeepSpeed ZeRO-3`. With `auto_find_batch_size` transformers
    stops after the model is loaded.
    Source: LLaMA-Factory, hparams/parser.py; transformers, trainer.py.

    Wrong: engine=deepspeed-z3 devices=8 train.pure_bf16=true
    Right: engine=deepspeed-z2 devices=8 train.pure_bf16=true
    """
    for name, reason in _NOT_UNDER_ZERO_3.items() if run.zero3 else ():
        if run.on(name):
            yield Finding((name,), reason, ({"zero_stage": 2}, {"deepspeed": None}), (("deepspeed",),))


def quantized_weights_trained_or_sharded(run: Training) -> Iterator[Finding]:
    """Quantized weights are not trained, resized or spread over devices.

    LLaMA-Factory stops at once: `Quantization is only compatible with the LoRA or OFT method` (0.9.3: LoRA).
    Source: LLaMA-Factory, hparams/parser.py.

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


def unsupported_quantization_bits(run: Training) -> Iterator[Finding]:
    """The quantization method and the engine support the number of bits.

    LLaMA-Factory fails when it loads the model: bitsandbytes supports 4 and 8 bits, of which 4 can be sharded; HQQ and
    EETQ cannot be sharded. A reference or reward model has 4 or 8 bits.
    Source: LLaMA-Factory, model/model_utils/quantization.py and hparams/finetuning_args.py.

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


def quantization_method_needs_quantized_model(run: Training) -> Iterator[Finding]:
    """The quantization method can quantize weights while it loads them.

    With `gptq`, `awq` and the like the model is already quantized; with `quantization_bit` LLaMA-Factory silently loads
    unquantized weights.
    Source: LLaMA-Factory, model/model_utils/quantization.py (configure_quantization).

    Wrong: train.quantization_bit=4 train.quantization_method=gptq
    Right: train.quantization_bit=4 train.quantization_method=bnb
    """
    method = run.value("quantization_method")
    if run.quantized and isinstance(method, str) and method not in _BITS:
        message = f"{method} does not quantize weights while it loads them, so they stay unquantized"
        help_ = "use bnb, hqq or eetq; for a model that is quantized already, leave quantization_bit out"
        yield Finding(("quantization_method",), message, help_)


def deepspeed_contradicts_arguments(run: Training) -> Iterator[Finding]:
    """The configuration of DeepSpeed agrees with the training arguments.

    transformers compares the two after the model is loaded: `Please correct the following DeepSpeed config values that
    mismatch TrainingArguments values`.
    Source: transformers, integrations/deepspeed.py.

    Wrong: engine=deepspeed-z2 devices=2 engine.config.gradient_accumulation_steps=4
    Right: engine=deepspeed-z2 devices=2 train.gradient_accumulation_steps=4
    """
    if run.zero is None or run.on("auto_find_batch_size"):
        return
    for path, (name, argument) in _COUNTERPARTS.items():
        configured = _setting(run.zero, path)
        if configured in (None, "auto"):
            continue
        value = argument(run)
        if isinstance(configured, str) or configured != value:
            shown = f'the string "{configured}"' if isinstance(configured, str) else configured
            message = f"is {shown}, but {name} of the training is {value}"
            help_ = f"leave it out: it follows from {name}"
            yield Finding(("deepspeed", *path), message, help_, run.along(name))


def optimizer_offload_needs_zero(run: Training) -> Iterator[Finding]:
    """The optimizer is offloaded only if ZeRO shards it.

    Stage 0 does not shard. transformers and DeepSpeed offload only the optimizer from stage 2 on, and the parameters in
    stage 3.
    Source: transformers, integrations/deepspeed.py (is_offload).

    Wrong: engine=deepspeed-z0 engine.offload=true devices=2
    Right: engine=deepspeed-z2 engine.offload=true devices=2
    """
    settings = run.zero.get("zero_optimization") if run.zero is not None else None
    offloads = isinstance(settings, Fields) and settings.get("stage") == 0 and "offload_optimizer" in settings
    if offloads:
        message = "ZeRO stage 0 does not shard the optimizer, so it is not offloaded"
        where = ("deepspeed", "zero_optimization", "offload_optimizer")
        yield Finding(where, message, {"zero_stage": 2}, (("deepspeed",),))


def _batch(run: Training) -> float:
    return run.number("per_device_train_batch_size") * run.number("gradient_accumulation_steps") * run.world


# Keys of the DeepSpeed configuration, each with the argument that it must match.
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


def _setting(config: Fields, path: tuple[str, ...]) -> object:
    value: object = config
    for key in path:
        value = value.get(key) if isinstance(value, Fields) else None
    return value


def zero_stage_0_with_bf16(run: Training) -> Iterator[Finding]:
    """DeepSpeed's stage 0 is not used with bf16.

    It uses its fp16 optimizer, which divides the gradients by a loss scale of 65536, although bf16 never multiplies by
    it: most of the result is lost against AdamW's epsilon, and the loss falls slowly. DDP needs the same memory on each
    device. With `engine.config.fp16.loss_scale=1` the updates are correct after the first few steps.
    Source: DeepSpeed 0.16.9 and 0.18.4, runtime/engine.py (_configure_fp16_optimizer).

    Wrong: engine=deepspeed-z0 devices=2
    Right: engine=deepspeed-z2 devices=2
    """
    if run.zero_stage != 0 or not run.on("bf16"):
        return
    scaling = run.zero.get("fp16") if run.zero is not None else None
    if not isinstance(scaling, Fields) or scaling.get("loss_scale") != 1:
        message = "ZeRO stage 0 trains at a fraction of the learning rate in bf16"
        where = ("deepspeed", "zero_optimization", "stage")
        yield Finding(where, message, ({"deepspeed": None}, {"zero_stage": 2}), run.along("bf16"))


def fsdp1_with_quantized_weights(run: Training) -> Iterator[Finding]:
    """Quantized weights are sharded by FSDP2, not by FSDP1.

    FSDP1 flattens all weights of a layer into one: `Must flatten tensors with uniform dtype but got torch.bfloat16 and
    torch.float32`, with and without pure_bf16.
    Source: measured with PyTorch 2.11 and LLaMA-Factory 0.9.5.

    Wrong: method=qlora-sft engine=fsdp launcher=accelerate devices=2
    Right: method=qlora-sft engine=fsdp2 launcher=accelerate devices=2
    """
    if run.quantized and run.zero is None and run.fsdp == 1:
        message = "FSDP1 cannot shard quantized weights together with those of an adapter"
        where = ("accelerate", "fsdp_config", "fsdp_version")
        yield Finding(where, message, "use FSDP2 or DeepSpeed ZeRO-3", run.along("quantization_bit"))


def ddp_with_reentrant_checkpointing(run: Training) -> Iterator[Finding]:
    """Under DDP, a reward model or OFT does not use reentrant gradient checkpointing.

    There DDP searches for unused parameters, and ftc turns reentrant checkpointing off: with it the first backward pass
    ends with `Expected to mark a variable ready only once`. Without the search, full tuning of a reward model fails in
    its second step with `Expected to have finished reduction in the prior iteration`, because the reward does not use
    the language head.
    Source: measured with two processes and LLaMA-Factory 0.9.5.

    Wrong: method=oft-sft devices=2 train.use_reentrant_gc=true
    Right: method=oft-sft devices=2
    """
    wraps = run.tuning == "oft" or (run.stage == "rm" and run.tuning != "lora")
    if not wraps or run.on("ddp_static_graph") or not run.plain or not run.distributed:
        return
    searches = run.value("ddp_find_unused_parameters") is not False
    if searches and run.on("use_reentrant_gc") and not run.on("disable_gradient_checkpointing"):
        message = "fails in the first backward pass, because DDP searches for unused parameters"
        yield Finding(("use_reentrant_gc",), message, {"use_reentrant_gc": False})
    if not searches and run.stage == "rm" and run.tuning == "full":
        message = "fails in the second step, because a reward model does not use its language head"
        yield Finding(("ddp_find_unused_parameters",), message, "leave it out")


# Rules on the files that DeepSpeed and accelerate read.


class DeepSpeedFile(msgspec.Struct, frozen=True):
    """A configuration of DeepSpeed, or why it cannot be read."""

    given: Fields
    problem: str = ""


class AccelerateFile(msgspec.Struct, frozen=True):
    """A configuration of accelerate."""

    given: Fields


_SECTIONS = (
    *("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping"),
    *("zero_optimization", "optimizer", "scheduler", "fp16", "bf16", "amp", "activation_checkpointing"),
    *("steps_per_print", "wall_clock_breakdown", "zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
    *("communication_data_type", "prescale_gradients", "gradient_predivide_factor", "sparse_gradients", "dump_state"),
    *("flops_profiler", "aio", "comms_logger", "data_types", "tensorboard", "wandb", "csv_monitor", "elasticity"),
    *("compression_training", "autotuning", "checkpoint", "data_efficiency", "eigenvalue", "progressive_layer_drop"),
    "memory_breakdown",
)


_ZERO = (
    *("stage", "contiguous_gradients", "reduce_scatter", "reduce_bucket_size", "use_multi_rank_bucket_allreduce"),
    *("allgather_partitions", "allgather_bucket_size", "overlap_comm", "load_from_fp32_weights", "elastic_checkpoint"),
    *("offload_param", "offload_optimizer", "sub_group_size", "cpu_offload_param", "cpu_offload_use_pin_memory"),
    *("cpu_offload", "stage3_prefetch_bucket_size", "stage3_param_persistence_threshold", "stage3_max_reuse_distance"),
    *("stage3_model_persistence_threshold", "stage3_max_live_parameters", "stage3_module_granularity_threshold"),
    *("stage3_gather_16bit_weights_on_model_save", "stage3_gather_fp16_weights_on_model_save"),
    *("stage3_use_all_reduce_for_fetch_params", "ignore_unused_parameters", "legacy_stage1", "round_robin_gradients"),
    *("zero_hpz_partition_size", "zero_quantized_weights", "zero_quantized_gradients", "memory_efficient_linear"),
    *("zero_quantized_nontrainable_weights", "mics_shard_size", "mics_hierarchical_params_gather"),
    *("pipeline_loading_checkpoint", "override_module_apply", "log_trace_cache_warnings", "zeropp_loco_param"),
)


_STAGES = (0, 1, 2, 3)


def unknown_deepspeed_setting(file: DeepSpeedFile) -> Iterator[Finding]:
    """A configuration of DeepSpeed has known settings and a valid ZeRO stage.

    DeepSpeed refuses unknown keys of zero_optimization, and ignores other unknown keys.
    Source: DeepSpeed, runtime/config.py and runtime/zero/config.py.

    Wrong: tests/corpus/bad/FTC829-unknown-stage.yaml
    Right: tests/corpus/good/FTC829-auto.yaml
    """
    if file.problem:
        yield Finding((), f"DeepSpeed cannot read it: {file.problem}")
    yield from _unknown(file.given, (), _SECTIONS, "DeepSpeed")
    zero = file.given.get("zero_optimization")
    if isinstance(zero, Fields):
        yield from _unknown(zero, ("zero_optimization",), _ZERO, "DeepSpeed")
        stage = zero.get("stage", 0)
        if stage not in _STAGES:
            yield Finding(("zero_optimization", "stage"), f"ZeRO stage {stage} does not exist", "use 0, 1, 2 or 3")


def _unknown(given: Fields, path: tuple[str, ...], known: tuple[str, ...], program: str) -> Iterator[Finding]:
    for key in [key for key in given.written() if key not in known]:
        if near := nearest(key, known):
            yield Finding((*path, key), f"'{key}' is not a setting of {program}", near)


_ACCELERATE = (
    *(
        "compute_environment",
        "debug",
        "distributed_type",
        "mixed_precision",
        "use_cpu",
        "num_processes",
        "machine_rank",
    ),
    *("num_machines", "gpu_ids", "main_process_ip", "main_process_port", "rdzv_backend", "same_network", "fsdp_config"),
    *("main_training_function", "enable_cpu_affinity", "fp8_config", "deepspeed_config", "parallelism_config"),
    *("megatron_lm_config", "ipex_config", "mpirun_config", "downcast_bf16", "dynamo_config", "commands"),
    *("command_file", "tpu_env", "tpu_name", "tpu_zone", "tpu_use_cluster", "tpu_use_sudo", "tpu_vm", "tpu_config"),
    "kt_config",  # of the accelerate that KTransformers requires; LLaMA-Factory's examples have it
)


_TYPES = re.compile("NO|MULTI_[A-Z]+|DEEPSPEED|FSDP|TP|XLA|MEGATRON_LM")


_PRECISIONS = ("no", "fp16", "bf16", "fp8")


def unknown_accelerate_setting(file: AccelerateFile) -> Iterator[Finding]:
    """A configuration of accelerate has known keys and values.

    accelerate refuses unknown keys.
    Source: accelerate, commands/config/config_args.py.

    Wrong: tests/corpus/bad/FTC900-precision-misspelt.yaml
    Right: tests/corpus/good/FTC900-fsdp.yaml
    """
    yield from _unknown(file.given, (), _ACCELERATE, "accelerate")
    kind = file.given.get("distributed_type") if file.given.tells("distributed_type") else None
    if isinstance(kind, str) and not _TYPES.fullmatch(kind):
        near = nearest(kind, ("MULTI_GPU", "DEEPSPEED", "FSDP"))
        yield Finding(("distributed_type",), f"accelerate does not support distributed_type '{kind}'", near)
    precision = file.given.get("mixed_precision")
    if isinstance(precision, str) and precision not in _PRECISIONS:
        message = f"accelerate does not support mixed_precision '{precision}'"
        yield Finding(("mixed_precision",), message, f"use one of {', '.join(_PRECISIONS)}")


OF_FILES = (
    Rule("FTC829", "unknown-deepspeed-setting", unknown_deepspeed_setting, DeepSpeedFile),
    Rule("FTC900", "unknown-accelerate-setting", unknown_accelerate_setting, AccelerateFile),
)
RULES = (
    Rule("FTC436", "zero3-unsupported-feature", zero3_unsupported_feature, Training),
    Rule("FTC437", "quantized-weights-trained-or-sharded", quantized_weights_trained_or_sharded, Training),
    Rule("FTC438", "unsupported-quantization-bits", unsupported_quantization_bits, Training),
    Rule(
        "FTC439",
        "quantization-method-needs-quantized-model",
        quantization_method_needs_quantized_model,
        Training,
        Severity.WARNING,
    ),
    Rule("FTC440", "deepspeed-contradicts-arguments", deepspeed_contradicts_arguments, Training),
    Rule("FTC469", "optimizer-offload-needs-zero", optimizer_offload_needs_zero, Training),
    Rule("FTC474", "zero-stage-0-with-bf16", zero_stage_0_with_bf16, Training),
    Rule("FTC475", "fsdp1-with-quantized-weights", fsdp1_with_quantized_weights, Training),
    Rule("FTC476", "ddp-with-reentrant-checkpointing", ddp_with_reentrant_checkpointing, Training),
)
