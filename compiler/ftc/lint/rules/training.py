"""Rules on a training as a whole: arguments that exclude each other, restarts, the chip, the result."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftc.accelerators import chips_without_bf16
from ftc.diagnostics.model import Severity
from ftc.lint.configs import Config, file_named, of_trainer
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step

if TYPE_CHECKING:
    from collections.abc import Iterator


def restarts_go_on(config: Config) -> Iterator[Finding]:
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


def precision_of_the_chip(config: Config) -> Iterator[Finding]:
    """The precision is one that the chip has.

    A chip without bf16 runs it emulated, slowly and without a word. Said where the pod asks for such a chip by a label.
    Source: torch.cuda.is_bf16_supported; conf/hardware.

    Wrong: tests/corpus/bad/FTC877-bf16-on-an-old-chip.yaml
    Right: tests/corpus/good/FTC877-fp16-on-an-old-chip.yaml
    """
    step = config.step
    if step is None or config.exports:
        return
    chips = [chip for value in step.pod.spec.node_selector.values() for chip in chips_without_bf16(value)]
    for name in [name for name in ("bf16", "pure_bf16") if config.value(name) is True and chips]:
        yield Finding(config.at(name), f"the pod asks for a {chips[0]}, which has no bf16", "write fp16: true instead")


def result_outlives_the_job(run: Run) -> Iterator[Finding]:
    """What is trained stays when the job is deleted.

    A claim that is made for the job goes with it, by hand or by ttlSecondsAfterFinished; its name is new each time, so
    that no other job finds the checkpoints. What lies on no volume goes with the container.
    Source: Volcano, job_controller_actions.go (createJobIOIfNotExist: the claim belongs to the job).

    Wrong: tests/corpus/bad/FTC857-model-on-the-claim-of-the-job.yaml
    Right: tests/corpus/good/FTC857-model-on-a-named-claim.yaml
    """
    for config in of_trainer(run):
        output = config.value("output_dir")
        if not isinstance(output, str) or config.exports or config.step is None or config.runs is None:
            continue
        path = file_named(config, output)
        for index, volume in enumerate(run.job.job_volumes):
            if volume.volume_claim is not None and path.startswith(f"{volume.mount_path.rstrip('/')}/"):
                message = f"{output} lies on a claim that is deleted with the job"
                place = run.job.at("spec", "volumes", index, "volumeClaim")
                help_ = "name a claim that exists: volumeClaimName"
                yield Finding(place, message, help_, related=(config.at("output_dir"),))
        if _is_lost(config.step, path, config.runs.start):
            message = f"{output} lies on no volume, and is gone with the container"
            yield Finding(config.at("output_dir"), message, "write to a directory of a claim")


def _is_lost(step: Step, path: str, start: int) -> bool:
    """Whether a directory is the container's own, while others are not, and no later command may save it."""
    claims = {volume.name for volume in step.pod.spec.volumes if volume.persistent_volume_claim is not None}
    mounts = step.container.volume_mounts
    kept = bool(step.pod.job.job_volumes) or any(mount.name in claims for mount in mounts)
    places = [mount.mount_path for mount in mounts] + [volume.mount_path for volume in step.pod.job.job_volumes]
    if not kept or not path.startswith("/") or step.unseen:
        return False
    later = [command for command in step.script.commands if command.start > start]
    return not later and not any(PurePosixPath(path).is_relative_to(mount or "/") for mount in places)


def export_is_of_the_training(run: Run) -> Iterator[Finding]:
    """What is exported is what was trained: the same template and base model, and the adapter's own directory.

    The export asks nothing: with another template the model answers in the wrong form, with another base the adapter
    does not fit, or spoils it.
    Source: LLaMA-Factory, hparams/model_args.py and train/tuner.py (export_model).

    Wrong: tests/corpus/bad/FTC819-another-template.yaml
    Right: tests/corpus/good/FTC819-the-same-template.yaml
    """
    configs = of_trainer(run)
    trained = [config for config in configs if not config.exports and config.value("output_dir")]
    for export in [config for config in configs if config.exports and len(trained) == 1]:
        training, adapter = trained[0], export.value("adapter_name_or_path")
        if not isinstance(adapter, str) or training.step is None:
            continue
        output = file_named(training, str(training.value("output_dir")))
        if not f"{file_named(export, adapter)}/".startswith(f"{output.rstrip('/')}/"):
            message = f"the adapter of {adapter} is exported, and {output} is trained"
            related = (training.at("output_dir"),)
            yield Finding(export.at("adapter_name_or_path"), message, related=related)
        for name in ("template", "model_name_or_path"):
            one, other = training.value(name), export.value(name)
            if isinstance(one, str) and isinstance(other, str) and one != other:
                message = f"{name} is {other}, and the training's is {one}"
                yield Finding(export.at(name), message, f"write {one}", related=(training.at(name),))


RULES = (
    Rule("FTC819", export_is_of_the_training, Run, Severity.WARNING),
    Rule("FTC857", result_outlives_the_job, Run, Severity.NOTE),
    Rule("FTC876", restarts_go_on, Config, Severity.WARNING),
    Rule("FTC877", precision_of_the_chip, Config, Severity.WARNING),
)
