"""Rules on the files that DeepSpeed and accelerate read: they have keys and values that the program knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import nearest
from ftc.rules.rule import Finding, Rule
from ftc.source.unknown import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def deepspeed_knows_its_settings(file: DeepSpeedFile) -> Iterator[Finding]:
    """A configuration of DeepSpeed has settings that DeepSpeed knows, and a stage of ZeRO.

    Source: DeepSpeed, runtime/config.py and runtime/zero/config.py, which takes no other keys.

    Wrong: tests/corpus/bad/FTC829-no-such-stage.yaml
    Right: tests/corpus/good/FTC829-auto.yaml
    """
    if file.problem:
        yield Finding((), f"DeepSpeed cannot read it: {file.problem}")
    yield from _unknown(file.given, (), _SECTIONS, "DeepSpeed has no setting")
    zero = file.given.get("zero_optimization")
    if isinstance(zero, Fields):
        yield from _unknown(zero, ("zero_optimization",), _ZERO, "DeepSpeed has no setting")
        stage = zero.get("stage", 0)
        if stage not in _STAGES:
            yield Finding(("zero_optimization", "stage"), f"ZeRO has no stage {stage}", "use 0, 1, 2 or 3")


def _unknown(given: Fields, path: tuple[str, ...], known: tuple[str, ...], message: str) -> Iterator[Finding]:
    for key in [key for key in given.written() if key not in known]:
        if near := nearest(key, known):
            yield Finding((*path, key), f"{message} '{key}'", near)


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
)
_TYPES = re.compile("NO|MULTI_[A-Z]+|DEEPSPEED|FSDP|TP|XLA|MEGATRON_LM")
_PRECISIONS = ("no", "fp16", "bf16", "fp8")


def accelerate_knows_its_keys(file: AccelerateFile) -> Iterator[Finding]:
    """A configuration of accelerate has keys and values that accelerate knows.

    Source: accelerate, commands/config/config_args.py, which refuses other keys.

    Wrong: tests/corpus/bad/FTC900-precision-misspelt.yaml
    Right: tests/corpus/good/FTC900-fsdp.yaml
    """
    yield from _unknown(file.given, (), _ACCELERATE, "accelerate's configuration has no key")
    kind = file.given.get("distributed_type") if file.given.tells("distributed_type") else None
    if isinstance(kind, str) and not _TYPES.fullmatch(kind):
        near = nearest(kind, ("MULTI_GPU", "DEEPSPEED", "FSDP"))
        yield Finding(("distributed_type",), f"accelerate has no distributed_type '{kind}'", near)
    precision = file.given.get("mixed_precision")
    if isinstance(precision, str) and precision not in _PRECISIONS:
        message = f"accelerate has no mixed_precision '{precision}'"
        yield Finding(("mixed_precision",), message, f"use one of {', '.join(_PRECISIONS)}")


RULES = (
    Rule("FTC829", deepspeed_knows_its_settings, DeepSpeedFile),
    Rule("FTC900", accelerate_knows_its_keys, AccelerateFile),
)
