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
from ftc.trainer.scopes import EVALUATING, OF_LORA, OF_SFT, OF_WHOLE_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator


def arguments_go_together(config: Config) -> Iterator[Finding]:
    """The arguments of a training do not exclude each other.

    LLaMA-Factory or transformers stops, at once or after the model is loaded.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py and *_args.py; transformers, training_args.py.

    Wrong: tests/corpus/bad/FTC874-two-precisions.yaml
    Right: tests/corpus/good/FTC874-one-precision.yaml
    """
    for name, message in (
        *_precision(config),
        *_method(config),
        *_data(config),
        *_evaluation(config),
        *_export(config),
        *_missing(config),
    ):
        yield Finding(config.at(name), message)


def _on(config: Config, name: str) -> bool:
    value = config.value(name)
    return value is not None and value is not False and value != 0


def _precision(config: Config) -> Iterator[tuple[str, str]]:
    if config.value("bf16") is True and config.value("fp16") is True:
        yield "fp16", "at most one of fp16 and bf16 can be true"
    if _on(config, "quantization_bit") and _on(config, "pure_bf16"):
        yield "pure_bf16", "a quantized model has no pure_bf16"
    if config.value("fp8") is True and _on(config, "quantization_bit"):
        yield "fp8", "fp8 is not compatible with quantization_bit"


def _method(config: Config) -> Iterator[tuple[str, str]]:
    stage, tuning = config.data.get("stage", "sft"), config.data.get("finetuning_type", "lora")
    for name in [name for name in OF_SFT if config.value(name) is True and stage != "sft"]:
        yield name, f"{name} is for stage sft, and this is {stage}"
    for name in [
        name for name in (*OF_LORA, "loraplus_lr_ratio") if _on(config, name) and tuning in ("full", "freeze")
    ]:
        yield name, f"{name} is for LoRA, and finetuning_type is {tuning}"
    for name in [name for name in OF_WHOLE_WEIGHTS if config.value(name) is True and tuning == "lora"]:
        yield name, f"{name} does not go with LoRA"
    if _on(config, "quantization_bit") and tuning in ("full", "freeze") and not config.exports:
        yield "quantization_bit", f"a quantized model is trained with LoRA, and finetuning_type is {tuning}"
    if _on(config, "adapter_name_or_path") and tuning in ("full", "freeze"):
        yield "adapter_name_or_path", f"an adapter is for LoRA, and finetuning_type is {tuning}"
    if stage == "ppo" and config.value("report_to") == "mlflow":
        yield "report_to", "PPO does not log to mlflow"
    if _on(config, "dpo_label_smoothing") and config.data.get("pref_loss", "sigmoid") != "sigmoid":
        yield "dpo_label_smoothing", "dpo_label_smoothing is for pref_loss sigmoid"
    if config.value("use_llama_pro") is True and tuning == "full":
        yield "use_llama_pro", "use_llama_pro is for freeze or LoRA"


def _data(config: Config) -> Iterator[tuple[str, str]]:
    if _on(config, "val_size") and config.value("eval_dataset") is not None:
        yield "val_size", "val_size and eval_dataset exclude each other"
    if config.value("streaming") is True:
        if _on(config, "max_samples"):
            yield "max_samples", "max_samples does not go with streaming"
        size = config.value("val_size")
        if isinstance(size, float) and 0 < size < 1:
            yield "val_size", "with streaming val_size is a whole number"
    if config.value("mask_history") is True and config.value("train_on_prompt") is True:
        yield "mask_history", "mask_history and train_on_prompt exclude each other"
    if _on(config, "interleave_probs") and config.data.get("mix_strategy", "concat") == "concat":
        yield "interleave_probs", "interleave_probs needs a mix_strategy that interleaves"


def _evaluation(config: Config) -> Iterator[tuple[str, str]]:
    strategy = config.data.get("eval_strategy", "no")
    if config.value("load_best_model_at_end") is True:
        save = config.data.get("save_strategy", "steps")
        if strategy not in (save, None) and save != "best" and not str(strategy).startswith("$"):
            yield (
                "load_best_model_at_end",
                f"eval_strategy is {strategy}, and save_strategy {save}: they must be the same",
            )
        step, every = config.value("save_steps"), config.value("eval_steps")
        if isinstance(step, int) and isinstance(every, int) and strategy == save == "steps" and every and step % every:
            yield "save_steps", f"save_steps must be a multiple of eval_steps, {every}"


def _export(config: Config) -> Iterator[tuple[str, str]]:
    if _on(config, "export_quantization_bit") and _on(config, "adapter_name_or_path"):
        yield "export_quantization_bit", "the adapter must be merged before the model is quantized"
    if config.exports and _on(config, "quantization_bit") and _on(config, "adapter_name_or_path"):
        yield "quantization_bit", "an adapter is not merged into a quantized model"


_NEEDS = (
    ("do_train", ("model_name_or_path",), "there is no model to train: model_name_or_path is missing"),
    ("export_dir", ("model_name_or_path",), "there is no model to export: model_name_or_path is missing"),
    ("do_train", ("dataset",), "there is nothing to train on: dataset is missing"),
    ("streaming", ("max_steps",), "streaming needs max_steps"),
    ("export_quantization_bit", ("export_quantization_dataset",), "quantization needs export_quantization_dataset"),
    *(
        (name, ("val_size", "eval_dataset"), "there is nothing to evaluate on: give val_size or eval_dataset")
        for name in (*EVALUATING, "eval_strategy")
    ),
)


def _missing(config: Config) -> Iterator[tuple[str, str]]:
    """What one argument needs, and neither the file nor the command line gives."""
    if config.value("stage") == "ppo" and not config.may_give("reward_model"):
        yield "stage", "PPO needs a reward_model"
    for name, needed, message in _NEEDS:
        asked = config.value(name) not in (None, False, 0, "no")
        if asked and not any(config.may_give(one) for one in needed):
            yield name, message


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
    Rule("FTC874", arguments_go_together, Config),
    Rule("FTC876", restarts_go_on, Config, Severity.WARNING),
    Rule("FTC877", precision_of_the_chip, Config, Severity.WARNING),
)
