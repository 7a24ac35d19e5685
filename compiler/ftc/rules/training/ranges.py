"""Rules on numbers: the ranges that the training can use, steps that do something, times that end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import ANY, Finding, Rule
from ftc.rules.training.subject import Training
from ftc.trainer.ranges import OF_LORA, RANGES, Range

if TYPE_CHECKING:
    from collections.abc import Iterator


def loader_has_workers(run: Training) -> Iterator[Finding]:
    """Options of data loader workers are set only if there are workers.

    transformers refuses a prefetch factor without workers at once (training_args.py); PyTorch refuses workers that stay
    when the training begins: `persistent_workers option needs num_workers > 0`.

    Wrong: train.dataloader_persistent_workers=true
    Right: train.dataloader_persistent_workers=true train.dataloader_num_workers=4
    """
    if run.value("dataloader_num_workers") != 0:
        return
    given = [] if run.value("dataloader_prefetch_factor") is None else ["dataloader_prefetch_factor"]
    given += ["dataloader_persistent_workers"] if run.on("dataloader_persistent_workers") else []
    for name in given:
        yield Finding(
            (name,), "needs data loader workers, but dataloader_num_workers is 0", {"dataloader_num_workers": 4}
        )


def numbers_are_in_range(run: Training) -> Iterator[Finding]:
    """Numbers are in the range that a training accepts.

    LLaMA-Factory takes any number of the right type, and fails where it is used: a batch size of 0 in the data loader,
    a negative learning rate in the optimizer, 0 samples as a `StopIteration`.

    Wrong: train.max_samples=0
    Right: train.max_samples=1000
    """
    ranges = RANGES | (OF_LORA if run.tuning == "lora" else {})
    if not run.facts.warmup_ratio_replaces_steps:
        ranges["warmup_ratio"] = Range(0, 1)
    for name, value in run.known(ranges):
        if not ranges[name].takes(value):
            yield Finding((name,), f"{value} is out of range", f"give {ranges[name].text}")
    if run.tuning == "freeze" and run.value("freeze_trainable_layers") == 0:
        yield Finding(("freeze_trainable_layers",), "0 layers leave nothing to train", {"freeze_trainable_layers": 2})


def training_trains(run: Training) -> Iterator[Finding]:
    """A training has steps, and a learning rate above 0.

    With no epochs or a learning rate of 0 it ends as if all were well, with the model as it was.

    Wrong: train.num_train_epochs=0.0
    Right: train.num_train_epochs=0.5
    """
    if (
        run.number("max_steps") <= 0
        and run.value("num_train_epochs") is not None
        and run.number("num_train_epochs") <= 0
    ):
        yield Finding(
            ("num_train_epochs",), "leaves no steps to train", ({"num_train_epochs": 1.0}, {"max_steps": ANY})
        )
    if run.value("learning_rate") == 0:
        yield Finding(("learning_rate",), "0 trains nothing", "set 1.0e-4 for LoRA, 1.0e-5 for all weights")


def sequences_fit_the_model(run: Training) -> Iterator[Finding]:
    """Sequences are not longer than the context of the model.

    Positions beyond `max_position_embeddings` were never trained: the run goes on, and the model learns little from
    the rest. `rope_scaling` stretches the positions.

    Wrong: model=qwen3-8b train.cutoff_len=65536
    Right: model=qwen3-8b train.cutoff_len=65536 train.rope_scaling=yarn
    """
    length, most = run.number("cutoff_len"), run.context
    if length <= most or run.value("rope_scaling") is not None:
        return
    message = f"is {length:.0f}, but the context of the model has {most} tokens"
    help_ = ({"cutoff_len": most}, {"rope_scaling": "yarn"})
    yield Finding(("cutoff_len",), message, help_, (("max_position_embeddings",),))


RULES = (
    Rule("FTC464", loader_has_workers, Training),
    Rule("FTC465", numbers_are_in_range, Training),
    Rule("FTC466", training_trains, Training, Severity.WARNING),
    Rule("FTC473", sequences_fit_the_model, Training, Severity.WARNING),
)
