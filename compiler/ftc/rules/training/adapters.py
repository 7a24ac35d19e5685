"""Rules on a training that starts from an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.checkpoints import quantized
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec
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


RULES = (
    Rule("FTC110", "kept-adapter-needs-given-adapter", kept_adapter_needs_given_adapter, JobSpec, Severity.WARNING),
    Rule("FTC111", "adapter-path-with-comma", adapter_path_with_comma, JobSpec, needed=True),
    Rule("FTC477", "given-adapter-cannot-be-merged", given_adapter_cannot_be_merged, Training, needed=True),
    Rule("FTC479", "reference-model-without-adapter", reference_model_without_adapter, Training, Severity.WARNING),
)
