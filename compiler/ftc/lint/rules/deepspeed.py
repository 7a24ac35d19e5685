"""A rule on DeepSpeed's configuration beside the trainer's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import nearest
from ftc.lint.configs import Config, file_named, of_trainer
from ftc.lint.files import text_of
from ftc.lint.held import Held, held
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath


def deepspeed_agrees(run: Run) -> Iterator[Finding]:
    """DeepSpeed's configuration can be read, and says what the trainer's YAML says.

    transformers stops where the two differ: Please correct the following DeepSpeed config values that mismatch
    TrainingArguments values. LLaMA-Factory: pure_bf16 is incompatible with ZeRO-3.
    Source: transformers, integrations/deepspeed.py (fill_match); DeepSpeed, runtime/zero/config.py, which takes no
    other keys.

    Wrong: tests/corpus/bad/FTC829-another-accumulation.yaml
    Right: tests/corpus/good/FTC829-auto.yaml
    """
    for config in of_trainer(run):
        named = config.value("deepspeed")
        text = text_of(config.step, file_named(config, named)) if isinstance(named, str) and config.step else None
        if text is None or "$" in text.value:
            continue
        file, problems = held(text)
        for problem in problems:
            if problem.position is not None and file is None:
                place = text.at_line(problem.position.line, problem.position.column)
                why = problem.message.removeprefix("is not YAML: ").partition(", while")[0]
                yield Finding(place, f"DeepSpeed cannot read it: {why}")
        if file is not None:
            yield from _differences(config, file)


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
_LAST = 3
# A key of DeepSpeed's, the trainer's argument of the same meaning, and the default of that.
_SAME: tuple[tuple[KeyPath, str, object], ...] = (
    (("train_micro_batch_size_per_gpu",), "per_device_train_batch_size", 8),
    (("gradient_accumulation_steps",), "gradient_accumulation_steps", 1),
    (("bf16", "enabled"), "bf16", False),
    (("fp16", "enabled"), "fp16", False),
)


def _differences(config: Config, file: Held) -> Iterator[Finding]:
    zero = file.value("zero_optimization")
    sections: list[tuple[KeyPath, Any, tuple[str, ...]]] = [((), file.data, _SECTIONS)]
    sections += [(("zero_optimization",), zero, _ZERO)] if isinstance(zero, dict) else []
    for path, given, known in sections:
        for key in [key for key in given if key not in known]:
            if near := nearest(str(key), known):
                yield Finding(file.at(*path, key), f"DeepSpeed has no setting '{key}'", near)
    stage = file.value("zero_optimization", "stage")
    if stage is not None and stage not in _STAGES:
        yield Finding(file.at("zero_optimization", "stage"), f"ZeRO has no stage {stage}", "use 0, 1, 2 or 3")
    if stage == _LAST and config.value("pure_bf16") is True:
        yield Finding(config.at("pure_bf16"), "pure_bf16 does not go with ZeRO-3", "write bf16: true")
    for path, name, default in _SAME:
        have, other = file.value(*map(str, path)), config.data.get(name, default)
        if have in (None, "auto") or (name in config.data and config.value(name) is None) or have == other:
            continue
        if name in config.data or not config.may_give(name):
            place, related = file.at(*path), (config.at(name),) if name in config.data else ()
            yield Finding(place, f"is {have}, and {name} is {other}", "write auto", related=related)


RULES = (Rule("FTC829", deepspeed_agrees, Run),)
