"""Rules on evaluation, the best checkpoint, early stopping, step intervals and warm-up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Training
from ftc.trainer.values import EVALUATING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MINIMUM = 1e-6  # the trainer's own threshold for val_size


def evaluation_needs_data(run: Training) -> Iterator[Finding]:
    """An evaluation has data: a part of the training data, or a separate dataset.

    LLaMA-Factory stops at once: `Please make sure eval_dataset be provided or val_size >1e-6` (0.9.3: `Please specify
    dataset for evaluation`).
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: train.eval_strategy=steps
    Right: train.eval_strategy=steps train.val_size=0.1
    """
    asked_by = next((name for name in EVALUATING if run.on(name)), "eval_strategy" if run.evaluates else None)
    if asked_by is None or run.value("eval_dataset") is not None:
        return
    if run.number("val_size") < _MINIMUM:
        message = "needs evaluation data, but val_size and eval_dataset are missing"
        yield Finding((asked_by,), message, ({"val_size": 0.1}, {"eval_dataset": ANY}))
    elif run.facts.generation_needs_eval_dataset and run.on("predict_with_generate"):
        message = f"needs eval_dataset in llamafactory {run.release}, not a part of the training data"
        yield Finding(("predict_with_generate",), message, {"eval_dataset": ANY, "val_size": None})


def prediction_needs_generation(run: Training) -> Iterator[Finding]:
    """Predictions use generation, and generation is not combined with token accuracy.

    LLaMA-Factory stops at once: `Please enable predict_with_generate to save model predictions`, or `Cannot use
    predict_with_generate and compute_accuracy together`.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: train.do_predict=true train.val_size=0.1
    Right: train.do_predict=true train.predict_with_generate=true train.val_size=0.1
    """
    generates = run.on("predict_with_generate")
    if run.stage == "sft" and run.on("do_predict") and not generates:
        yield Finding(("do_predict",), "needs predict_with_generate", {"predict_with_generate": True})
    if generates and run.on("compute_accuracy"):
        message = "compares tokens, but predict_with_generate compares generated texts"
        at = ("compute_accuracy",)
        yield Finding(at, message, "leave out one of the two", run.along("predict_with_generate"))


def invalid_validation_size(run: Training) -> Iterator[Finding]:
    """The evaluation takes a part of the training data, but not all of it.

    `val_size` is a share below 1 or a number of rows. LLaMA-Factory refuses it together with `eval_dataset`, and
    datasets refuses a split that leaves no rows, after the data is read.
    Source: LLaMA-Factory, hparams/data_args.py; datasets, train_test_split.

    Wrong: train.val_size=1.0
    Right: train.val_size=1
    """
    size = run.number("val_size")
    if size < _MINIMUM:
        return
    if run.value("eval_dataset") is not None:
        message = "takes rows from the training data, but eval_dataset is also set"
        yield Finding(("val_size",), message, "leave out one of the two", run.along("eval_dataset"))
    elif isinstance(size, float) and size == 1:
        message = "is 1.0, a share that takes all of the data"
        yield Finding(("val_size",), message, "write 1 for one row, or a share such as 0.1")
    elif (rows := _maximum_rows(run)) is not None and _trained(rows, size) < 1:
        message = f"leaves no rows for training: the data has at most {rows} rows"
        yield Finding(("val_size",), message, "lower it, or raise max_samples", run.along("max_samples"))


def _maximum_rows(run: Training) -> int | None:
    """The maximum number of rows if a limit is set; a sample of `num_samples` may contain a row twice."""
    limit = run.value("max_samples")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        return None
    return limit * len(run.datasets)


def _trained(rows: int, size: float) -> int:
    return rows - (int(size) if size >= 1 else math.ceil(rows * size))


def best_model_needs_evaluation(run: Training) -> Iterator[Finding]:
    """The best checkpoint is chosen from those that were evaluated.

    transformers stops at once with `--load_best_model_at_end requires the save and eval strategy to match`, or when it
    creates its Trainer, after the model is loaded. LLaMA-Factory refuses it for reward models and PPO.
    Source: transformers, training_args.py; LLaMA-Factory, hparams/parser.py.

    Wrong: train.load_best_model_at_end=true train.eval_strategy=epoch train.val_size=0.1
    Right: train.load_best_model_at_end=true train.eval_strategy=epoch train.save_strategy=epoch train.val_size=0.1
    """
    best, saving = run.on("load_best_model_at_end"), run.value("save_strategy")
    if saving == "best" and not best and run.value("metric_for_best_model") is None:
        message = "best needs metric_for_best_model"
        yield Finding(("save_strategy",), message, {"metric_for_best_model": "loss"})
    if best or saving == "best":
        yield from _metric_is_computed(run)
    if not best:
        return
    at = ("load_best_model_at_end",)
    if run.stage == "rm":
        yield Finding(at, f"is not supported in stage {run.stage}", "leave it out")
    if saving != "best" and saving != run.value("eval_strategy"):
        message = f"save_strategy is {saving}, but eval_strategy is {run.value('eval_strategy')}"
        help_ = ({"eval_strategy": saving}, {"save_strategy": "best"})
        yield Finding(at, message, help_, run.along("save_strategy", "eval_strategy"))
    elif saving == "steps" and not _is_multiple(run.number("save_steps"), _evaluation_steps(run)):
        message = (
            f"save_steps is {run.number('save_steps')}, which is not a multiple of eval_steps, {_evaluation_steps(run)}"
        )
        related = run.along("save_steps", "eval_steps")
        yield Finding(at, message, "make save_steps a multiple of eval_steps", related)
    if run.on("save_only_model") and not run.plain:
        yield Finding(
            ("save_only_model",), "leaves out what the engine needs to load the best checkpoint", "leave it out"
        )


def _metric_is_computed(run: Training) -> Iterator[Finding]:
    metric = run.value("metric_for_best_model")
    if run.stage == "sft" and metric in ("accuracy", "eval_accuracy") and not run.on("compute_accuracy"):
        yield Finding(
            ("metric_for_best_model",), "is not computed without compute_accuracy", {"compute_accuracy": True}
        )


def _evaluation_steps(run: Training) -> float:
    return run.number("eval_steps") or run.number("logging_steps")


def _is_multiple(saving: float, evaluating: float) -> bool:
    """As transformers computes it: whole steps, or shares of the training with six digits."""
    if evaluating <= 0 or saving % evaluating == 0:
        return True
    return saving < 1 and evaluating < 1 and (saving * 1_000_000) % (evaluating * 1_000_000) == 0


def early_stopping_needs_metric(run: Training) -> Iterator[Finding]:
    """Early stopping has evaluations and a metric.

    transformers stops when the training begins, after model and data are loaded: `EarlyStoppingCallback requires
    metric_for_best_model to be defined`.
    Source: transformers, trainer_callback.py.

    Wrong: train.early_stopping_steps=3 train.eval_strategy=steps train.val_size=0.1
    Right: train.early_stopping_steps=3 train.eval_strategy=steps train.val_size=0.1 train.metric_for_best_model=loss
    """
    if run.value("early_stopping_steps") is None:
        return
    if run.value("eval_strategy") not in ("steps", "epoch"):
        message = "needs evaluations, but eval_strategy is 'no'"
        yield Finding(("early_stopping_steps",), message, {"eval_strategy": "steps", "val_size": 0.1})
    elif run.value("metric_for_best_model") is None and not run.on("load_best_model_at_end"):
        message = "needs metric_for_best_model"
        yield Finding(("early_stopping_steps",), message, {"metric_for_best_model": "loss"})


def fractional_step_interval(run: Training) -> Iterator[Finding]:
    """Intervals are whole numbers of steps, or shares of the training.

    transformers stops at once: `--save_steps must be an integer if bigger than 1`.
    Source: transformers, training_args.py.

    Wrong: train.save_steps=2.5
    Right: train.save_steps=0.25
    """
    for what in ("logging", "eval", "save"):
        name, steps = f"{what}_steps", run.number(f"{what}_steps")
        if run.value(f"{what}_strategy") == "steps" and steps > 1 and steps != int(steps):
            yield Finding((name,), f"{steps} is not a whole number of steps", {name: round(steps)})
    if run.value("logging_strategy") == "steps" and run.value("logging_steps") == 0:
        yield Finding(("logging_steps",), "0 is not an interval", {"logging_strategy": "no"})


def duplicate_warmup(run: Training) -> Iterator[Finding]:
    """The warm-up is set once: as a number of steps, or as a share of the training.

    If both are set, transformers 4 uses the steps and transformers 5 the share. transformers 5 also reads a share above
    1 as a number of steps. Neither logs a warning.
    Source: transformers, training_args.py.

    Wrong: train.warmup_ratio=0.1 train.warmup_steps=100
    Right: train.warmup_ratio=0.1
    """
    ratio, steps = run.number("warmup_ratio"), run.number("warmup_steps")
    share_wins = run.facts.warmup_ratio_replaces_steps
    if ratio > 0 and steps > 0:
        loser, winner = ("warmup_steps", "warmup_ratio") if share_wins else ("warmup_ratio", "warmup_steps")
        message = f"is ignored: transformers {run.versions.transformers} uses {winner}, which is also set"
        yield Finding((loser,), message, "leave out one of the two", run.along(winner))
    elif ratio > 1 and share_wins:
        yield Finding(
            ("warmup_ratio",),
            f"transformers {run.versions.transformers} reads {ratio} as a number of steps",
            "write a share, or set warmup_steps",
        )


RULES = (
    Rule("FTC441", "evaluation-needs-data", evaluation_needs_data, Training),
    Rule("FTC442", "prediction-needs-generation", prediction_needs_generation, Training),
    Rule("FTC443", "invalid-validation-size", invalid_validation_size, Training),
    Rule("FTC444", "best-model-needs-evaluation", best_model_needs_evaluation, Training),
    Rule("FTC445", "early-stopping-needs-metric", early_stopping_needs_metric, Training),
    Rule("FTC446", "fractional-step-interval", fractional_step_interval, Training),
    Rule("FTC447", "duplicate-warmup", duplicate_warmup, Training, Severity.WARNING),
)
