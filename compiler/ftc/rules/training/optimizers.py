"""Rules on optimizers and learning rate schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training
from ftc.trainer.values import OF_WHOLE_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYERWISE = {"use_galore": "galore_layerwise", "use_apollo": "apollo_layerwise"}


def _special(run: Training) -> list[str]:
    return [name for name in OF_WHOLE_WEIGHTS if run.on(name)]


def conflicting_memory_efficient_optimizers(run: Training) -> Iterator[Finding]:
    """Only one of GaLore, APOLLO and BAdam is used, and not with LoRA.

    LLaMA-Factory stops at once: `Cannot use LoRA with GaLore, APOLLO or BAdam together`.
    Source: LLaMA-Factory, hparams/finetuning_args.py.

    Wrong: train.use_galore=true train.optim=adamw_torch
    Right: method=full-sft train.use_galore=true train.optim=adamw_torch
    """
    for name in _special(run) if run.tuning == "lora" else []:
        yield Finding((name,), f"{OF_WHOLE_WEIGHTS[name]} does not work with LoRA", {"finetuning_type": "full"})
    for name in _special(run)[1:]:
        message = f"{OF_WHOLE_WEIGHTS[_special(run)[0]]} is already on"
        yield Finding((name,), message, "leave out one of the two", run.along(_special(run)[0]))


def optimizer_unsupported_by_engine(run: Training) -> Iterator[Finding]:
    """GaLore, APOLLO and BAdam are used with engines that they support.

    Layer-wise variants update during the backward pass of a single process, and DeepSpeed uses its own optimizer:
    LLaMA-Factory stops at once. BAdam supports several processes only layer by layer under ZeRO-3.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: method=full-sft engine=deepspeed-z2 devices=2 train.use_galore=true train.optim=adamw_torch
    Right: method=full-sft engine=ddp devices=2 train.use_galore=true train.optim=adamw_torch
    """
    for name in [name for name in _LAYERWISE if run.on(name)]:
        if run.zero is not None:
            message = f"{OF_WHOLE_WEIGHTS[name]} does not work under DeepSpeed"
            yield Finding((name,), message, {"deepspeed": None}, (("deepspeed",),))
        elif run.on(_LAYERWISE[name]) and run.distributed:
            message = f"works only in a single process, but the run has {run.world}"
            yield Finding((_LAYERWISE[name],), message, {_LAYERWISE[name]: False})
    if run.on("use_badam") and run.distributed:
        if run.value("badam_mode") == "ratio":
            message = f"ratio works only in a single process, but the run has {run.world}"
            yield Finding(("badam_mode",), message, {"badam_mode": "layer", "zero_stage": 3})
        elif not run.zero3:
            message = "BAdam works with several processes only under DeepSpeed ZeRO-3"
            yield Finding(("use_badam",), message, {"zero_stage": 3}, run.along("deepspeed"))


# The optimizers that LLaMA-Factory has a variant of (train/trainer_utils.py, 0.9.3 and 0.9.5).
_VARIANTS = {
    "use_galore": ("adamw_torch", "adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit", "adafactor"),
    "use_apollo": ("adamw_torch",),
}


def projection_needs_matching_optimizer(run: Training) -> Iterator[Finding]:
    """GaLore and APOLLO use an optimizer that they support, and layer-wise updates happen in each step.

    They support few optimizers. The default of transformers 5, `adamw_torch_fused`, is not one of them: `Unknown
    optim`, after the model is loaded. For layer-wise updates: `Per-layer GaLore does not support gradient
    accumulation`.
    Source: LLaMA-Factory, train/trainer_utils.py.

    Wrong: method=full-sft train.use_apollo=true
    Right: method=full-sft train.use_apollo=true train.optim=adamw_torch
    """
    for name in [name for name in _VARIANTS if run.on(name)]:
        optimizer = run.value("optim")
        unknown_default = run.assumed and not run.gives("optim")  # that of transformers 4 is adamw_torch
        if optimizer not in _VARIANTS[name] and not unknown_default:
            at = ("optim",) if run.gives("optim") else (name,)
            given = "" if run.gives("optim") else f", the default with transformers {run.versions.transformers}"
            message = f"{OF_WHOLE_WEIGHTS[name]} does not support optim {optimizer}{given}"
            severity = Severity.WARNING if run.any_transformers and not run.gives("optim") else None
            yield Finding(at, message, {"optim": "adamw_torch"}, severity=severity)
        if run.on(_LAYERWISE[name]) and run.number("gradient_accumulation_steps") > 1:
            message = "layer-wise updates do not support gradient accumulation"
            yield Finding(("gradient_accumulation_steps",), message, {"gradient_accumulation_steps": 1})


_BY_PRECEDENCE = ("use_galore", "use_apollo", "loraplus_lr_ratio", "use_badam", "use_adam_mini", "use_muon")


def conflicting_optimizers(run: Training) -> Iterator[Finding]:
    """Only one of LLaMA-Factory's optimizers is on.

    It uses the first that is on and silently ignores the others.
    Source: LLaMA-Factory, train/trainer_utils.py (create_custom_optimizer).

    Wrong: method=full-sft train.use_adam_mini=true train.use_muon=true
    Right: method=full-sft train.use_muon=true
    """
    given = [name for name in _BY_PRECEDENCE if run.value(name) not in (None, False)]
    for name in given[1:]:
        if not {name, given[0]} <= OF_WHOLE_WEIGHTS.keys():
            message = f"is ignored: {given[0]} takes precedence"
            yield Finding((name,), message, "leave out one of the two", run.along(given[0]))


_BY_METRIC = ("reduce_lr_on_plateau", "greedy")


_WITH_MINIMUM = ("cosine_with_min_lr", "cosine_warmup_with_min_lr")


def schedule_needs_metric_or_minimum(run: Training) -> Iterator[Finding]:
    """A learning rate schedule has the metric or the minimum that it needs.

    transformers refuses `reduce_lr_on_plateau` without an evaluation at once, and a cosine schedule without its minimum
    after the model is loaded: `One of min_lr or min_lr_rate should be set`.
    Source: transformers, training_args.py and optimization.py.

    Wrong: train.lr_scheduler_type=cosine_with_min_lr
    Right: train.lr_scheduler_type=cosine_with_min_lr 'train.lr_scheduler_kwargs={min_lr_rate: 0.1}'
    """
    schedule = run.value("lr_scheduler_type")
    if schedule in _BY_METRIC and run.value("eval_strategy") in ("no", None):
        message = f"{schedule} needs evaluations, but eval_strategy is 'no'"
        yield Finding(("lr_scheduler_type",), message, {"eval_strategy": "steps", "val_size": 0.1})
    minimums = _minimums(run.value("lr_scheduler_kwargs"))
    if schedule in _WITH_MINIMUM and len(minimums) != 1:
        message = (
            f"{schedule} needs one of min_lr and min_lr_rate, but {'both are' if minimums else 'neither is'} given"
        )
        help_ = {"lr_scheduler_kwargs": {"min_lr_rate": 0.1}}
        yield Finding(("lr_scheduler_type",), message, help_)


def _minimums(settings: object) -> list[str]:
    """The minimums that lr_scheduler_kwargs sets; a string holds JSON."""
    if isinstance(settings, str):
        return ["min_lr"] if "min_lr" in settings else []
    given = settings if isinstance(settings, dict) else {}
    return [name for name in ("min_lr", "min_lr_rate") if given.get(name) is not None]


def unused_parameters_with_reentrant_checkpointing(run: Training) -> Iterator[Finding]:
    """DDP does not search for unused parameters with reentrant gradient checkpointing.

    The first backward pass ends with `Expected to mark a variable ready only once`: recomputation marks a parameter
    that the search has already marked.
    Source: measured with LLaMA-Factory 0.9.5, LoRA and full tuning, two processes.

    Wrong: devices=2 train.ddp_find_unused_parameters=true
    Right: devices=2 train.ddp_find_unused_parameters=true train.use_reentrant_gc=false
    """
    recomputes = not run.on("disable_gradient_checkpointing") and run.on("use_reentrant_gc")
    sought = run.on("ddp_find_unused_parameters") and not run.on("ddp_static_graph")
    if sought and recomputes and run.plain and run.world > 1:
        help_ = ("leave it out", {"use_reentrant_gc": False})
        message = "fails in the first backward pass with reentrant gradient checkpointing"
        yield Finding(("ddp_find_unused_parameters",), message, help_)


RULES = (
    Rule("FTC430", "conflicting-memory-efficient-optimizers", conflicting_memory_efficient_optimizers, Training),
    Rule("FTC431", "optimizer-unsupported-by-engine", optimizer_unsupported_by_engine, Training),
    Rule("FTC432", "projection-needs-matching-optimizer", projection_needs_matching_optimizer, Training),
    Rule("FTC433", "conflicting-optimizers", conflicting_optimizers, Training, Severity.WARNING),
    Rule("FTC434", "schedule-needs-metric-or-minimum", schedule_needs_metric_or_minimum, Training),
    Rule(
        "FTC435",
        "unused-parameters-with-reentrant-checkpointing",
        unused_parameters_with_reentrant_checkpointing,
        Training,
    ),
)
