"""Rules on checkpoints: what a restart resumes from, and what a new run begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.configs import Config
from ftc.manifests.objects import Kind
from ftc.rules.rule import Finding, Rule
from ftc.rules.spec.storage import volume_in_words
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec
from ftc.spec.storage import NodeDirectory, PerPod, PerPodClaim
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


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


# Rules on a spec.


def restarts_resume(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that restarts resumes from its checkpoint.

    With `overwrite_output_dir` a restart ignores the checkpoints (LLaMA-Factory, hparams/parser.py) and trains from the
    start.

    Wrong: restarts=2 train.overwrite_output_dir=true
    Right: restarts=2
    """
    if spec.restarts and chosen(spec).get("overwrite_output_dir") is True:
        message = f"true makes each of {spec.restarts} restarts train from the start"
        help_ = "leave it out, or set restarts=0"
        yield Finding(set_at(spec, "overwrite_output_dir"), message, help_, (("restarts",),))


def restarts_find_checkpoints(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A job that restarts finds its checkpoints.

    A restart makes new pods, and directories of the pod's own (emptyDir) are empty in them: each begins anew.

    Wrong: storage=per-pod restarts=2
    Right: storage=shared restarts=2
    """
    if spec.restarts and isinstance(spec.storage.workspace, PerPod | PerPodClaim | NodeDirectory):
        message = (
            f"{spec.restarts} restarts begin anew each time: the workspace is {volume_in_words(spec.storage.workspace)}"
        )
        yield Finding(("restarts",), message, "use storage=shared", (("storage", "workspace", "kind"),))


def restarts_go_on(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A restart finds a whole checkpoint of its own run.

    Without checkpoints it begins anew; without the optimizer's state it goes on as another training, and under
    DeepSpeed ends with `Can't find a valid checkpoint` (LLaMA-Factory issue 5497); a checkpoint that is named is taken
    again each time (hparams/parser.py).

    Wrong: restarts=2 train.save_only_model=true
    Right: restarts=2 train.save_total_limit=2
    """
    arguments = chosen(spec) if spec.restarts and spec.trains else {}
    reasons = {
        "save_strategy": ("no", "keeps nothing for the restarts to go on from"),
        "save_only_model": (True, "leaves out what the restarts need to go on"),
    }
    for name, (value, reason) in reasons.items():
        if arguments.get(name) == value:
            yield Finding(set_at(spec, name), reason, "leave it out, or set restarts=0")
    if arguments.get("resume_from_checkpoint") not in (None, False, True):
        message = "makes each restart go back to this checkpoint"
        yield Finding(set_at(spec, "resume_from_checkpoint"), message, "leave it out, or set restarts=0")


# Rules on manifests.


def restarts_go_on_in_manifests(config: Config) -> Iterator[Finding]:
    """A pod that starts again goes on with the last checkpoint.

    With `overwrite_output_dir` it begins at the first step. A deleted pod is made again whatever the policies say.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: tests/corpus/bad/FTC876-from-the-start.yaml
    Right: tests/corpus/good/FTC876-from-the-checkpoint.yaml
    """
    job = config.run.job if config.run is not None else None
    again = job is not None and (job.kind is Kind.VOLCANO or (job.batch is not None and job.batch.backoff_limit != 0))
    if again and config.value("overwrite_output_dir") is True and not config.exports:
        message = "a pod that starts again trains from the first step, whatever checkpoints there are"
        yield Finding(config.at("overwrite_output_dir"), message, "write overwrite_output_dir: false")


RULES = (
    Rule("FTC143", "incomplete-checkpoint-on-signal", checkpoint_at_a_signal_is_whole, Training, Severity.WARNING),
    Rule("FTC448", "new-run-resumes-own-checkpoint", new_runs_start_anew, Training),
    Rule("FTC449", "stage-cannot-resume", stages_resume, Training, Severity.WARNING),
    Rule("FTC207", "restart-does-not-resume", restarts_resume, JobSpec),
    Rule("FTC210", "checkpoints-lost-on-restart", restarts_find_checkpoints, JobSpec, Severity.WARNING),
    Rule("FTC137", "restart-needs-resumable-checkpoint", restarts_go_on, JobSpec, Severity.WARNING),
    Rule("FTC876", "restart-needs-resume", restarts_go_on_in_manifests, Config, Severity.WARNING),
)
