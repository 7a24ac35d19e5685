"""A rule on arguments that LLaMA-Factory takes and does not read in this training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training

Condition: TypeAlias = Callable[["Training"], bool]


class _Read(msgspec.Struct, frozen=True):
    """Arguments, when they are read, and how to say so; a name that ends in `_` stands for all that begin with it."""

    names: tuple[str, ...]
    condition: Condition
    when: str


def _tuning(*kinds: str) -> Condition:
    return lambda run: run.tuning in kinds


def _stage(*stages: str) -> Condition:
    return lambda run: run.stage in stages


def _on(name: str) -> Condition:
    return lambda run: run.value(name) not in (None, False)


def _is(name: str, value: str) -> Condition:
    return lambda run: run.value(name) == value


def _never(_: Training) -> bool:
    return False


def _some_layers(run: Training) -> bool:
    return run.tuning == "freeze" or run.on("use_llama_pro")


def _reference(run: Training) -> bool:
    return run.stage in ("dpo", "kto", "ppo") or run.on("use_asft_loss")


def _by_swanlab(run: Training) -> bool:
    return run.on("use_swanlab")


def _logs_to_directory(run: Training) -> bool:
    return run.facts.reads_logging_dir


def _reasons(run: Training) -> bool:
    return bool(run.template.get("reasoning"))


def _under_ray(run: Training) -> bool:
    return run.ray


def _judged(run: Training) -> bool:
    by_metric = run.on("load_best_model_at_end") or run.value("save_strategy") == "best"
    stops = run.value("early_stopping_steps") is not None
    return by_metric or stops or run.value("lr_scheduler_type") in ("reduce_lr_on_plateau", "greedy")


def _evaluates(run: Training) -> bool:
    return run.evaluates or run.on("do_predict")


def _generates(run: Training) -> bool:
    return run.stage == "ppo" or run.on("predict_with_generate")


# Where LLaMA-Factory 0.9.3 and 0.9.5 read an argument; transformers' Trainer for the steps and the metric.
TABLE = (
    _Read(("lora_rank", "lora_alpha", "lora_dropout"), _tuning("lora"), "under LoRA"),
    _Read(("lora_target", "additional_target"), _tuning("lora", "oft"), "under LoRA and OFT"),
    _Read(("oft_rank", "oft_block_size", "module_dropout"), _tuning("oft"), "under OFT"),
    _Read(("oft_target",), _never, "nowhere: OFT reads lora_target"),
    _Read(("freeze_trainable_layers",), _some_layers, "if only some layers are trained"),
    _Read(("freeze_trainable_modules", "freeze_extra_modules"), _tuning("freeze"), "if only some layers are trained"),
    _Read(("pissa_iter", "pissa_convert"), _on("pissa_init"), "with pissa_init"),
    _Read(("loraplus_lr_embedding",), _on("loraplus_lr_ratio"), "with loraplus_lr_ratio"),
    _Read(("galore_",), _on("use_galore"), "with use_galore"),
    _Read(("apollo_",), _on("use_apollo"), "with use_apollo"),
    _Read(("badam_",), _on("use_badam"), "with use_badam"),
    _Read(("swanlab_",), _by_swanlab, "with use_swanlab"),
    _Read(("pref_loss", "pref_bco_weight", "simpo_gamma", "dpo_label_smoothing", "ld_alpha"), _stage("dpo"), "by DPO"),
    _Read(("pref_beta", "pref_ftx"), _stage("dpo", "kto"), "by DPO and KTO"),
    _Read(("kto_",), _stage("kto"), "by KTO"),
    _Read(("ppo_", "reward_model", "reward_model_"), _stage("ppo"), "by PPO"),
    _Read(("ref_model", "ref_model_"), _reference, "with a reference model"),
    _Read(("use_dft_loss", "use_asft_loss", "use_eaft_loss", "use_hyper_parallel"), _stage("sft"), "in stage sft"),
    _Read(("asft_alpha",), _on("use_asft_loss"), "with use_asft_loss"),
    _Read(("eaft_alpha",), _on("use_eaft_loss"), "with use_eaft_loss"),
    _Read(("packing",), _stage("sft", "pt"), "in the stages sft and pt"),
    _Read(("buffer_size",), _on("streaming"), "with streaming"),
    _Read(
        ("quantization_method", "quantization_type", "double_quantization"),
        _on("quantization_bit"),
        "with quantization_bit",
    ),
    _Read(("eval_steps",), _is("eval_strategy", "steps"), "with eval_strategy=steps"),
    _Read(("save_steps",), _is("save_strategy", "steps"), "with save_strategy=steps"),
    _Read(
        ("logging_dir",),
        _logs_to_directory,
        "by transformers 4; 5 reads the variable TENSORBOARD_LOGGING_DIR",
    ),
    _Read(("logging_steps",), _is("logging_strategy", "steps"), "with logging_strategy=steps"),
    _Read(
        ("compute_accuracy", "per_device_eval_batch_size", "eval_on_each_dataset"),
        _evaluates,
        "in evaluations",
    ),
    _Read(("metric_for_best_model", "greater_is_better"), _judged, "if checkpoints are compared"),
    _Read(("max_new_tokens", "temperature", "top_p", "top_k", "do_sample"), _generates, "if texts are generated"),
    _Read(("enable_thinking", "preserve_thinking"), _reasons, "with templates of reasoning models"),
    _Read(("fp8_backend", "fp8_enable_fsdp_float8_all_gather"), _on("fp8"), "with fp8"),
    _Read(("export_",), _never, "by an export"),
    _Read(("vllm_", "sglang_"), _never, "by inference, not by a training"),
    _Read(("ray_", "master_addr", "master_port"), _under_ray, "under Ray"),
)


def arguments_are_read(run: Training) -> Iterator[Finding]:
    """An argument that the user gives has an effect.

    LLaMA-Factory takes every argument in every training, and ignores silently those that this one does not read. What
    a group gives for other trainings is not judged.

    Wrong: train.enable_thinking=false model.template=qwen
    Right: train.enable_thinking=false model.template=qwen3
    """
    for name, value in run.known(run.own):
        found = _row(name)
        if found is None or found.condition(run) or value == run.schema(name).get("default"):
            continue
        yield Finding((name,), f"has no effect: it is read {found.when}", "leave it out")
    if {"max_steps", "num_train_epochs"} <= set(run.own) and run.number("max_steps") > 0:
        message = "has no effect: max_steps is given too"
        yield Finding(("num_train_epochs",), message, "leave out one of the two")


def _row(name: str) -> _Read | None:
    exact = {entry: row for row in TABLE for entry in row.names}
    begins = (row for row in TABLE for entry in row.names if entry.endswith("_") and name.startswith(entry))
    return exact.get(name) or next(begins, None)


RULES = (Rule("FTC463", "ineffective-argument", arguments_are_read, Training, Severity.WARNING),)
