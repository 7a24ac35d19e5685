"""A rule on arguments that LLaMA-Factory accepts but does not read in this training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training

Condition: TypeAlias = Callable[["Training"], bool]


class _Scope(msgspec.Struct, frozen=True):
    """Arguments, the condition under which they are read, and its text; a name ending in `_` is a prefix."""

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


def _has_reasoning_template(run: Training) -> bool:
    return bool(run.template.get("reasoning"))


def _under_ray(run: Training) -> bool:
    return run.ray


def _compares_checkpoints(run: Training) -> bool:
    by_metric = run.on("load_best_model_at_end") or run.value("save_strategy") == "best"
    stops = run.value("early_stopping_steps") is not None
    return by_metric or stops or run.value("lr_scheduler_type") in ("reduce_lr_on_plateau", "greedy")


def _evaluates(run: Training) -> bool:
    return run.evaluates or run.on("do_predict")


def _has_adapter(run: Training) -> bool:
    return run.value("adapter_name_or_path") is not None


def _generates(run: Training) -> bool:
    return run.stage == "ppo" or run.on("predict_with_generate")


# The code that reads an argument is LLaMA-Factory 0.9.3 and 0.9.5, or for steps and metrics transformers' Trainer.
TABLE = (
    _Scope(("lora_rank", "lora_alpha", "lora_dropout"), _tuning("lora"), "only under LoRA"),
    _Scope(("lora_target", "additional_target"), _tuning("lora", "oft"), "only under LoRA and OFT"),
    _Scope(("oft_rank", "oft_block_size", "module_dropout"), _tuning("oft"), "only under OFT"),
    _Scope(("oft_target",), _never, "nowhere: OFT reads lora_target"),
    _Scope(("freeze_trainable_layers",), _some_layers, "only if a part of the layers is trained"),
    _Scope(
        ("freeze_trainable_modules", "freeze_extra_modules"),
        _tuning("freeze"),
        "only if a part of the layers is trained",
    ),
    _Scope(("create_new_adapter",), _has_adapter, "only with a given adapter"),
    _Scope(("pissa_iter", "pissa_convert"), _on("pissa_init"), "only with pissa_init"),
    _Scope(("loraplus_lr_embedding",), _on("loraplus_lr_ratio"), "only with loraplus_lr_ratio"),
    _Scope(("galore_",), _on("use_galore"), "only with use_galore"),
    _Scope(("apollo_",), _on("use_apollo"), "only with use_apollo"),
    _Scope(("badam_",), _on("use_badam"), "only with use_badam"),
    _Scope(("swanlab_",), _by_swanlab, "only with use_swanlab"),
    _Scope(
        ("pref_loss", "pref_bco_weight", "simpo_gamma", "dpo_label_smoothing", "ld_alpha"), _stage("dpo"), "only by DPO"
    ),
    _Scope(("pref_beta", "pref_ftx"), _stage("dpo", "kto"), "only by DPO and KTO"),
    _Scope(("kto_",), _stage("kto"), "only by KTO"),
    _Scope(("ppo_", "reward_model", "reward_model_"), _stage("ppo"), "only by PPO"),
    _Scope(("ref_model", "ref_model_"), _reference, "only with a reference model"),
    _Scope(
        ("use_dft_loss", "use_asft_loss", "use_eaft_loss", "use_hyper_parallel"), _stage("sft"), "only in stage sft"
    ),
    _Scope(("asft_alpha",), _on("use_asft_loss"), "only with use_asft_loss"),
    _Scope(("eaft_alpha",), _on("use_eaft_loss"), "only with use_eaft_loss"),
    _Scope(("packing",), _stage("sft", "pt"), "only in the stages sft and pt"),
    _Scope(("buffer_size",), _on("streaming"), "only with streaming"),
    _Scope(
        ("quantization_method", "quantization_type", "double_quantization"),
        _on("quantization_bit"),
        "only with quantization_bit",
    ),
    _Scope(("eval_steps",), _is("eval_strategy", "steps"), "only with eval_strategy=steps"),
    _Scope(("save_steps",), _is("save_strategy", "steps"), "only with save_strategy=steps"),
    _Scope(
        ("logging_dir",),
        _logs_to_directory,
        "only by transformers 4; transformers 5 reads the variable TENSORBOARD_LOGGING_DIR",
    ),
    _Scope(("logging_steps",), _is("logging_strategy", "steps"), "only with logging_strategy=steps"),
    _Scope(
        ("compute_accuracy", "per_device_eval_batch_size", "eval_on_each_dataset"),
        _evaluates,
        "only in evaluations",
    ),
    _Scope(("metric_for_best_model", "greater_is_better"), _compares_checkpoints, "only if checkpoints are compared"),
    _Scope(("max_new_tokens", "temperature", "top_p", "top_k", "do_sample"), _generates, "only if texts are generated"),
    _Scope(
        ("enable_thinking", "preserve_thinking"), _has_reasoning_template, "only with templates of reasoning models"
    ),
    _Scope(("fp8_backend", "fp8_enable_fsdp_float8_all_gather"), _on("fp8"), "only with fp8"),
    _Scope(("export_",), _never, "only by an export"),
    _Scope(("vllm_", "sglang_"), _never, "only by inference, not by a training"),
    _Scope(("ray_", "master_addr", "master_port"), _under_ray, "only under Ray"),
)


def ineffective_argument(run: Training) -> Iterator[Finding]:
    """An argument that the user sets has an effect.

    LLaMA-Factory accepts every argument in every training and silently ignores those that this training does not read.
    Arguments from a config group are not checked, because the group also serves other trainings.
    Source: LLaMA-Factory 0.9.3 and 0.9.5; transformers, trainer.py.

    Wrong: train.enable_thinking=false model.template=qwen
    Right: train.enable_thinking=false model.template=qwen3
    """
    for name, value in run.known(run.own):
        found = _row(name)
        if found is None or found.condition(run) or value == run.schema(name).get("default"):
            continue
        yield Finding((name,), f"is ignored: it is read {found.when}", "leave it out")
    if {"max_steps", "num_train_epochs"} <= set(run.own) and run.number("max_steps") > 0:
        message = "is ignored: max_steps is also set"
        yield Finding(("num_train_epochs",), message, "leave out one of the two")


def _row(name: str) -> _Scope | None:
    exact = {entry: row for row in TABLE for entry in row.names}
    begins = (row for row in TABLE for entry in row.names if entry.endswith("_") and name.startswith(entry))
    return exact.get(name) or next(begins, None)


RULES = (Rule("FTC463", "ineffective-argument", ineffective_argument, Training, Severity.WARNING),)
