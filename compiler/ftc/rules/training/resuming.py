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


def checkpoint_at_a_signal_is_whole(run: Training) -> Iterator[Finding]:
    """A checkpoint at a signal is one that rank 0 can write alone.

    With `enable_jit_checkpoint` each process saves at the step where the signal finds it (transformers,
    trainer_jit_checkpoint.py). Engines that shard the model or its optimizer save together: processes at different
    steps wait for each other until they are killed, or save what does not belong together. For reward models and PPO
    the checkpoint lacks what LLaMA-Factory's callbacks add to it (train/callbacks.py).

    Wrong: train.enable_jit_checkpoint=true engine=deepspeed-z3 devices=2
    Right: train.enable_jit_checkpoint=true engine=ddp devices=2
    """
    if not run.on("enable_jit_checkpoint"):
        return
    where, help_ = ("enable_jit_checkpoint",), "leave it out: ftc sets it where it is safe"
    if run.stage in ("rm", "ppo"):
        yield Finding(where, f"the checkpoint lacks the value head of stage {run.stage}", help_, (("stage",),))
    elif not run.plain and run.world > 1:
        message = f"{run.world} processes save parts of one checkpoint, and get the signal at different steps"
        yield Finding(where, message, help_, (("deepspeed",),))


RULES = (
    Rule("FTC143", checkpoint_at_a_signal_is_whole, Training, Severity.WARNING),
    Rule("FTC448", new_runs_start_anew, Training),
    Rule("FTC449", stages_resume, Training, Severity.WARNING),
)
