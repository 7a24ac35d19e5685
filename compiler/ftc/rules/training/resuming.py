"""Rules on checkpoints that a training begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.subject import Training

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_runs_start_anew(run: Training) -> Iterator[Finding]:
    """A new run does not resume from its own checkpoint.

    `resume_from_checkpoint: true` takes the last checkpoint of the output directory, and each run has a directory of
    its own: `No valid checkpoint found in output directory` (transformers, trainer.py), with the model loaded. Restarts
    resume without it (LLaMA-Factory, hparams/parser.py).

    Wrong: train.resume_from_checkpoint=true
    Right: restarts=3
    """
    if run.value("resume_from_checkpoint") is True and run.new_directory:
        message = "true resumes from a checkpoint of this run, which has none when it starts"
        help_ = "leave it out: restarts resume by themselves; for another run's checkpoint, name its directory"
        yield Finding(("resume_from_checkpoint",), message, help_)


def stages_resume(run: Training) -> Iterator[Finding]:
    """Restarts are used with stages that can resume.

    Of reward models and PPO LLaMA-Factory resumes nothing but adapters (hparams/parser.py), and PPO writes checkpoints
    without the state that resuming needs (train/ppo/trainer.py): a restart trains from the start.

    Wrong: method.stage=rm dataset.info=null method.finetuning_type=full method.merge=null restarts=3
    Right: method.stage=rm dataset.info=null restarts=3
    """
    starts_over = run.stage == "ppo" or (run.stage == "rm" and run.tuning in ("full", "freeze"))
    if starts_over and run.restarts:
        message = f"each of {run.restarts} starts over: stage {run.stage} does not resume with {run.tuning} tuning"
        yield Finding(("restarts",), message, {"restarts": 0})


RULES = (
    Rule("FTC448", new_runs_start_anew, Training),
    Rule("FTC449", stages_resume, Training, Severity.WARNING),
)
