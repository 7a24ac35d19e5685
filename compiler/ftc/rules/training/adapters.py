"""Rules on adapters and exports: starting from an adapter, merging one, and quantized exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.manifests.configs import Config, file_named, of_trainer
from ftc.manifests.steps import Run
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.precision import quantized
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec, result
from ftc.spec.source import OfRun
from ftc.trainer.arguments import set_at, starts_new_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.rules.rule import Remedy


_MERGE_FIRST = "merge the adapter in another run, and train the merged model"


def given_adapter_cannot_be_merged(run: Training) -> Iterator[Finding]:
    """A new adapter is trained only if the given adapter can be merged into the base model first.

    With `create_new_adapter` LLaMA-Factory merges the given adapter into the base model and trains a new one. It
    refuses this if the weights are quantized (`Cannot create new adapter upon a quantized model`). Under DeepSpeed
    ZeRO-3, Unsloth and KTransformers it ignores the argument and continues to train the given adapter. For the same
    reason none of these accepts several adapters, of which all but the last are merged.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, hparams/parser.py and model/adapter.py (_setup_lora_tuning).

    Wrong: source@method.adapter=path method.adapter.path=/workspace/sft/output train.create_new_adapter=true
      engine=deepspeed-z3 devices=2
    Right: source@method.adapter=path method.adapter.path=/workspace/sft/output train.create_new_adapter=true
      engine=deepspeed-z2 devices=2
    """
    if run.value("adapter_name_or_path") is None:
        return
    several = len(run.listed("adapter_name_or_path")) > 1
    if not several and not run.on("create_new_adapter"):
        return
    for where, obstacle in _obstacles(run):
        if several:
            message = f"names several adapters, but {obstacle} accepts only one"
            yield Finding(("adapter_name_or_path",), message, "merge them into the model first", (where,))
        else:
            message = f"needs the given adapter merged into the base model, which {obstacle} does not allow"
            help_ = ({"create_new_adapter": None}, _MERGE_FIRST)
            yield Finding(("create_new_adapter",), message, help_, (where,))


def _obstacles(run: Training) -> Iterator[tuple[tuple[str], str]]:
    """The arguments that keep LLaMA-Factory from merging an adapter before the training."""
    model = run.value("model_name_or_path") if run.given.tells("model_name_or_path") else None
    if run.quantized:
        yield ("quantization_bit",), "quantization"
    elif isinstance(model, str) and quantized(model):
        yield ("model_name_or_path",), "quantization"
    for name, words in (("use_unsloth", "Unsloth"), ("use_kt", "KTransformers")):
        if run.on(name):
            yield (name,), words
    if run.zero3:
        yield ("deepspeed",), "DeepSpeed ZeRO-3"


def reference_model_without_adapter(run: Training) -> Iterator[Finding]:
    """The reference model of a preference training has the adapter from which the training starts.

    Without `ref_model` the reference model of a LoRA training is the trained model with its adapter disabled. If the
    training continues an adapter, that is the base model without any fine-tuning, and the loss compares the answers
    with those of a model that the training did not start from. With `create_new_adapter` the reference model is the
    base model with the given adapter merged in.
    Source: LLaMA-Factory, train/trainer_utils.py (create_ref_model), train/dpo/trainer.py (disable_adapter).

    Wrong: method=lora-dpo dataset=dpo-mix-en source@method.adapter=path method.adapter.path=/workspace/sft/output
    Right: method=lora-dpo dataset=dpo-mix-en source@method.adapter=path method.adapter.path=/workspace/sft/output
      train.create_new_adapter=true
    """
    refers = run.stage == "kto" or (run.stage == "dpo" and run.value("pref_loss") not in ("orpo", "simpo"))
    if not refers or run.tuning != "lora" or run.value("adapter_name_or_path") is None:
        return
    if run.on("create_new_adapter") or run.value("ref_model") is not None:
        return
    help_: Remedy = _MERGE_FIRST if any(_obstacles(run)) else {"create_new_adapter": True}
    message = f"is not part of the reference model of {run.stage.upper()}, which is the base model alone"
    yield Finding(("adapter_name_or_path",), message, help_, (("stage",),))


def kept_adapter_needs_given_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A new adapter on top of a given adapter is merged at the end.

    With `create_new_adapter` the new adapter fits only the base model with the given adapter merged in. On the base
    model, which its adapter_config.json names, it loads without an error and gives wrong answers.
    Source: LLaMA-Factory, model/adapter.py (_setup_lora_tuning).

    Wrong: source@method.adapter=path method.adapter.path=/workspace/sft/output train.create_new_adapter=true
      method.merge=null
    Right: source@method.adapter=path method.adapter.path=/workspace/sft/output train.create_new_adapter=true
    """
    if spec.method is not None and spec.method.merge is None and starts_new_adapter(spec):
        message = "is null, but the new adapter does not fit the base model without the given adapter"
        related = (("method", "adapter"), set_at(spec, "create_new_adapter"))
        yield Finding(("method", "merge"), message, "merge at the end: method.merge={export_size: 4}", related)


def adapter_path_with_comma(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The path of the adapter does not contain a comma.

    LLaMA-Factory takes the path for a list of adapters, and looks for each part.
    Source: LLaMA-Factory, hparams/model_args.py (adapter_name_or_path).

    Wrong: source@method.adapter=path 'method.adapter.path="/workspace/a,b"'
    Right: source@method.adapter=path method.adapter.path=/workspace/a-b
    """
    for fetch in run.fetches:
        if fetch.name == "adapter" and "," in fetch.directory and spec.trains:
            message = f"{fetch.directory} contains a comma, which separates adapters"
            yield Finding(("method", "adapter"), message, "rename the directory")


def earlier_result_without_adapter(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The adapter of an earlier run is its output.

    The merged and the quantized result are whole models, which the next training takes as its model.
    Source: ftc, which exports a merged model to `merged` and a quantized one to `quantized`.

    Wrong: source@method.adapter=run method.adapter.run=sft-x7k2p method.adapter.result=merged
    Right: source@model.source=run model.source.run=sft-x7k2p
    """
    adapter = spec.method.adapter if spec.method is not None else None
    if isinstance(adapter, OfRun) and result("adapter", adapter) != "output":
        message = f"the {adapter.result} result of {adapter.run} is a whole model, not an adapter"
        help_ = f"train it: source@model.source=run model.source.run={adapter.run}, or leave out result"
        yield Finding(("method", "adapter", "result"), message, help_)


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
    Rule("FTC110", "kept-adapter-needs-given-adapter", kept_adapter_needs_given_adapter, JobSpec, Severity.WARNING),
    Rule("FTC111", "adapter-path-with-comma", adapter_path_with_comma, JobSpec, needed=True),
    Rule("FTC273", "earlier-result-without-adapter", earlier_result_without_adapter, JobSpec, needed=True),
    Rule("FTC477", "given-adapter-cannot-be-merged", given_adapter_cannot_be_merged, Training, needed=True),
    Rule("FTC479", "reference-model-without-adapter", reference_model_without_adapter, Training, Severity.WARNING),
    Rule("FTC105", "merge-needs-lora-adapter", merge_needs_lora_adapter, JobSpec),
    Rule("FTC108", "quantized-export-needs-whole-weights", quantized_export_needs_whole_weights, JobSpec),
    Rule("FTC109", "unreadable-calibration-data", unreadable_calibration_data, JobSpec),
    Rule("FTC819", "export-differs-from-training", export_differs_from_training, Run, Severity.WARNING),
)
