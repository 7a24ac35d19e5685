"""Rules on merging an adapter, and on quantized exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.configs import Config, file_named, of_trainer
from ftc.manifests.steps import Run
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def merge_needs_lora_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only a LoRA adapter is merged.

    The export would fail after the training: `Adapter is only valid for the LoRA method`.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: method=full-sft 'method.merge={export_size: 4}'
    Right: method=full-sft
    """
    if spec.method is not None and spec.method.merge is not None and spec.method.finetuning_type != "lora":
        message = f"only a LoRA adapter can be merged, but finetuning_type is {spec.method.finetuning_type}"
        yield Finding(("method", "merge"), message, "set method.merge=null", (("method", "finetuning_type"),))


def quantized_export_needs_whole_weights(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A quantized export needs a complete model, not an adapter.

    LLaMA-Factory's export stops: `Please merge adapters before quantizing the model`.
    Source: LLaMA-Factory, train/tuner.py (export_model).

    Wrong: method.merge=null 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    method = spec.method
    if method is None or method.quantize is None or method.merge is not None:
        return
    if method.finetuning_type in ("lora", "oft"):
        message = "an adapter cannot be quantized"
        help_ = "leave it out, or merge first: method.merge={…}"
        yield Finding(("method", "quantize"), message, help_, (("method", "merge"),))


_FILE_TYPES = (".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt")


def unreadable_calibration_data(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The calibration data is a file that LLaMA-Factory reads, or a dataset of the hub.

    If the file does not exist, LLaMA-Factory takes the name for a dataset of the hub; it does not read other file
    types. The export would fail after the training.
    Source: LLaMA-Factory, model/model_utils/quantization.py (FILEEXT2TYPE).

    Wrong: 'method.quantize={bits: 4, dataset: texts.jsonl}'
    Right: 'method.quantize={bits: 4, dataset: /workspace/texts.jsonl}'
    """
    if spec.method is None or spec.method.quantize is None:
        return
    name = spec.method.quantize.dataset
    known = name.endswith(_FILE_TYPES)
    message = ""
    if name.startswith("/") and not known:
        message = f"LLaMA-Factory does not read the file type of {name}"
    elif known and not name.startswith("/"):
        message = f"{name} is a relative path, and the file does not exist in the run's directory"
    if message:
        help_ = f"use the absolute path of a file in {', '.join(_FILE_TYPES)}, or a dataset of the hub"
        yield Finding(("method", "quantize", "dataset"), message, help_)


# Rules on manifests.


def export_differs_from_training(run: Run) -> Iterator[Finding]:
    """An export uses the template, the base model and the adapter of the training.

    The export does not check them: with another template the model answers in the wrong format, and with another base
    model the adapter does not load, or harms the model. If the training merged an adapter before it created a new one
    (`create_new_adapter`), the export merges both, in this order.
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
        *before, last = _files(export, adapter)
        if not f"{last}/".startswith(f"{output.rstrip('/')}/"):
            message = f"exports the adapter in {adapter}, but the training writes to {output}"
            related = (training.at("output_dir"),)
            yield Finding(export.at("adapter_name_or_path"), message, related=related)
        given = training.value("adapter_name_or_path") if training.value("create_new_adapter") is True else None
        if isinstance(given, str) and before != _files(training, given):
            message = f"exports {adapter}, but the training merged {given} into the model before it created its adapter"
            related = (training.at("adapter_name_or_path"),)
            yield Finding(export.at("adapter_name_or_path"), message, f"write {given},{last}", related)
        for name in ("template", "model_name_or_path"):
            one, other = training.value(name), export.value(name)
            if isinstance(one, str) and isinstance(other, str) and one != other:
                message = f"{name} is {other}, but the training uses {one}"
                yield Finding(export.at(name), message, f"write {one}", related=(training.at(name),))


def _files(config: Config, adapters: str) -> list[str]:
    """The directories of a comma-separated list of adapters."""
    folder = config.value("adapter_folder")
    names = [name.strip() for name in adapters.split(",")]
    return [file_named(config, f"{name}/{folder}" if folder else name) for name in names]


RULES = (
    Rule("FTC105", "merge-needs-lora-adapter", merge_needs_lora_adapter, JobSpec),
    Rule("FTC108", "quantized-export-needs-whole-weights", quantized_export_needs_whole_weights, JobSpec),
    Rule("FTC109", "unreadable-calibration-data", unreadable_calibration_data, JobSpec),
    Rule("FTC819", "export-differs-from-training", export_differs_from_training, Run, Severity.WARNING),
)
