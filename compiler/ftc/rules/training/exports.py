"""Rules on merging an adapter, and on quantized exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.configs import file_named, of_trainer
from ftc.manifests.steps import Run
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def merge_needs_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only a LoRA adapter is merged.

    LLaMA-Factory's export says: Adapter is only valid for the LoRA method (hparams/parser.py). The job would train to
    the end and fail then.

    Wrong: method=full-sft 'method.merge={export_size: 4}'
    Right: method=full-sft
    """
    if spec.method is not None and spec.method.merge is not None and spec.method.finetuning_type != "lora":
        message = f"only a LoRA adapter can be merged, and finetuning_type is {spec.method.finetuning_type}"
        yield Finding(("method", "merge"), message, "set method.merge=null", (("method", "finetuning_type"),))


def whole_weights_are_quantized(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What is exported in fewer bits are whole weights.

    LLaMA-Factory's export says: Please merge adapters before quantizing the model (train/tuner.py, export_model).

    Wrong: method.merge=null 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    method = spec.method
    if method is None or method.quantize is None or method.merge is not None:
        return
    if method.finetuning_type in ("lora", "oft"):
        message = "an adapter cannot be quantized"
        help_ = "leave it out, or merge before: method.merge={…}"
        yield Finding(("method", "quantize"), message, help_, (("method", "merge"),))


_FILES_OF_TEXTS = (".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt")


def calibration_is_read(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The texts to calibrate with are a file that LLaMA-Factory reads, or a dataset of the hub.

    A name that is no file there is taken for a dataset of the hub, and a file of another kind is not read: the export
    fails when the training is done (model/model_utils/quantization.py, FILEEXT2TYPE).

    Wrong: 'method.quantize={bits: 4, dataset: texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    if spec.method is None or spec.method.quantize is None:
        return
    name = spec.method.quantize.dataset
    known = name.endswith(_FILES_OF_TEXTS)
    message = ""
    if name.startswith("/") and not known:
        message = f"{name} is of no kind that LLaMA-Factory reads"
    elif known and not name.startswith("/"):
        message = f"{name} is looked for in the run's directory, where nobody puts it"
    if message:
        help_ = f"give the whole path of a file in {', '.join(_FILES_OF_TEXTS)}, or a dataset of the hub"
        yield Finding(("method", "quantize", "dataset"), message, help_)


# Rules on manifests.


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
    Rule("FTC105", "merge-needs-lora-adapter", merge_needs_adapter, JobSpec),
    Rule("FTC108", "quantized-export-needs-whole-weights", whole_weights_are_quantized, JobSpec),
    Rule("FTC109", "unreadable-calibration-data", calibration_is_read, JobSpec),
    Rule("FTC819", "export-differs-from-training", export_is_of_the_training, Run, Severity.WARNING),
)
