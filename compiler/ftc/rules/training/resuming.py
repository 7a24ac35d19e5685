"""Rules on checkpoints, restarts and resuming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.spec.storage import volume_in_words
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec
from ftc.spec.storage import NodeDirectory, PerPod, PerPodClaim
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def new_run_resumes_own_checkpoint(run: Training) -> Iterator[Finding]:
    """A new run does not resume from its own checkpoint.

    `resume_from_checkpoint: true` uses the last checkpoint of the output directory, but each run has a new directory:
    `No valid checkpoint found in output directory`, after the model is loaded. Restarts resume without it.
    Source: transformers, trainer.py; LLaMA-Factory, hparams/parser.py.

    Wrong: train.resume_from_checkpoint=true
    Right: restarts=3
    """
    if run.value("resume_from_checkpoint") is True and run.new_directory:
        message = "true resumes from a checkpoint of this run, but a new run does not have one"
        help_ = "leave it out: restarts resume without it; for another run's checkpoint, name its directory"
        yield Finding(("resume_from_checkpoint",), message, help_)


def stage_cannot_resume(run: Training) -> Iterator[Finding]:
    """Restarts are used with stages that can resume.

    For reward models and PPO LLaMA-Factory resumes only adapters, and PPO writes checkpoints without the state that
    resuming needs: a restart trains from the start.
    Source: LLaMA-Factory, hparams/parser.py and train/ppo/trainer.py.

    Wrong: method.stage=rm dataset.info=null method.finetuning_type=full method.merge=null restarts=3
    Right: method.stage=rm dataset.info=null restarts=3
    """
    starts_over = run.stage == "ppo" or (run.stage == "rm" and run.tuning in ("full", "freeze"))
    if starts_over and run.restarts:
        reason = f"stage {run.stage} cannot resume with {run.tuning} tuning"
        message = f"each of {run.restarts} restarts trains from the start: {reason}"
        yield Finding(("restarts",), message, {"restarts": 0})


def incomplete_checkpoint_on_signal(run: Training) -> Iterator[Finding]:
    """A checkpoint on a signal is used only if rank 0 can write it alone.

    With `enable_jit_checkpoint` each process saves at the step in which it receives the signal. Engines that shard the
    model or its optimizer save together: processes at different steps wait for each other until they are killed, or
    save inconsistent parts. The pods of several nodes get the signal in different steps too, so those behind wait for
    the others in a collective operation. For reward models and PPO the checkpoint lacks the files that LLaMA-Factory's
    callbacks add.
    Source: transformers, trainer_jit_checkpoint.py; LLaMA-Factory, train/callbacks.py.

    Wrong: train.enable_jit_checkpoint=true engine=deepspeed-z3 devices=2
    Right: train.enable_jit_checkpoint=true engine=ddp devices=2
    """
    if not run.on("enable_jit_checkpoint"):
        return
    where, help_ = ("enable_jit_checkpoint",), "leave it out: ftc sets it if it is safe"
    if run.stage in ("rm", "ppo"):
        yield Finding(where, f"the checkpoint lacks the value head of stage {run.stage}", help_, (("stage",),))
    elif not run.plain and run.world > 1:
        message = f"{run.world} processes save parts of one checkpoint, but receive the signal at different steps"
        yield Finding(where, message, help_, (("deepspeed",),))
    elif run.machines > 1:
        message = (
            f"{run.machines} nodes receive the signal at different steps, and wait for each other until they are killed"
        )
        yield Finding(where, message, help_)


def resume_needs_state_of_deepspeed(run: Training) -> Iterator[Finding]:
    """A training under DeepSpeed does not resume from a checkpoint of the model only.

    With `save_only_model` a checkpoint has no `global_step…` directory, and DeepSpeed stops after the model is loaded:
    `Can't find a valid checkpoint`. A checkpoint from before the setting was changed has one.
    Source: transformers, integrations/deepspeed.py (deepspeed_load_checkpoint); LLaMA-Factory, issue 5497.

    Wrong: engine=deepspeed-z2 devices=2 train.save_only_model=true train.resume_from_checkpoint=/workspace/a/output
    Right: engine=deepspeed-z2 devices=2 train.resume_from_checkpoint=/workspace/a/output
    """
    source = run.value("resume_from_checkpoint")
    if run.zero is None or not run.on("save_only_model") or source in (None, False):
        return
    if source is not True or not run.new_directory:
        message = "leaves out the state that DeepSpeed needs to resume from a checkpoint"
        help_ = ({"save_only_model": False}, {"resume_from_checkpoint": None})
        yield Finding(("save_only_model",), message, help_, (("resume_from_checkpoint",), ("deepspeed",)))


def restart_does_not_resume(run: Training) -> Iterator[Finding]:
    """A job that restarts resumes from its checkpoint.

    With `overwrite_output_dir` a restart ignores the checkpoints and trains from the start. In a manifest this is a
    warning: Volcano recreates a deleted pod whatever the policies say.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: restarts=2 train.overwrite_output_dir=true
    Right: restarts=2
    """
    if run.recreated and run.on("overwrite_output_dir"):
        where, related = ("overwrite_output_dir",), (("restarts",),) if run.restarts else ()
        message = "true makes each restart train from the start"
        severity = None if run.restarts else Severity.WARNING
        yield Finding(where, message, {"overwrite_output_dir": False}, related, severity=severity)


# Rules on a spec.


def checkpoints_lost_on_restart(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that restarts finds its checkpoints.

    A restart creates new pods, in which a directory of the pod (emptyDir) is empty: each restart trains from the start.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: storage=per-pod restarts=2
    Right: storage=shared restarts=2
    """
    if spec.restarts and isinstance(spec.storage.workspace, PerPod | PerPodClaim | NodeDirectory):
        where = volume_in_words(spec.storage.workspace)
        message = f"each of {spec.restarts} restarts trains from the start: the workspace is {where}"
        yield Finding(("restarts",), message, "use storage=shared", (("storage", "workspace", "kind"),))


def restart_needs_resumable_checkpoint(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A restart finds a complete checkpoint of the same run.

    Without checkpoints it trains from the start. Without the state of the optimizer it continues as a different
    training, and fails under DeepSpeed with `Can't find a valid checkpoint`. An explicitly named checkpoint is used
    again in each restart.
    Source: LLaMA-Factory, hparams/parser.py; issue 5497.

    Wrong: restarts=2 train.save_only_model=true
    Right: restarts=2 train.save_total_limit=2
    """
    arguments = chosen(spec) if spec.restarts and spec.trains else {}
    reasons = {
        "save_strategy": ("no", "saves no checkpoint for the restarts to resume from"),
        "save_only_model": (True, "leaves out the state that restarts need to resume"),
    }
    for name, (value, reason) in reasons.items():
        if arguments.get(name) == value:
            yield Finding(set_at(spec, name), reason, "leave it out, or set restarts=0")
    if arguments.get("resume_from_checkpoint") not in (None, False, True):
        message = "makes each restart resume from this checkpoint"
        yield Finding(set_at(spec, "resume_from_checkpoint"), message, "leave it out, or set restarts=0")


RULES = (
    Rule("FTC143", "incomplete-checkpoint-on-signal", incomplete_checkpoint_on_signal, Training, Severity.WARNING),
    Rule("FTC448", "new-run-resumes-own-checkpoint", new_run_resumes_own_checkpoint, Training),
    Rule("FTC449", "stage-cannot-resume", stage_cannot_resume, Training, Severity.WARNING),
    Rule("FTC482", "resume-needs-state-of-deepspeed", resume_needs_state_of_deepspeed, Training, Severity.WARNING),
    Rule("FTC207", "restart-does-not-resume", restart_does_not_resume, Training),
    Rule("FTC210", "checkpoints-lost-on-restart", checkpoints_lost_on_restart, JobSpec, Severity.WARNING),
    Rule("FTC137", "restart-needs-resumable-checkpoint", restart_needs_resumable_checkpoint, JobSpec, Severity.WARNING),
)
