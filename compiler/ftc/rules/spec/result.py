"""Rules on what is checked of the result: its chat template, and its answers on held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.estimate.engines import HALF, MIB
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer import release
from ftc.trainer.arguments import chosen, set_at
from ftc.trainer.evaluation import held_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def nothing_to_check(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The check of the chat template needs a training on conversations.

    Pre-training reads plain text without a chat template, and ftc does not know the result of your own program.
    Source: LLaMA-Factory, data/processor/pretrain.py.

    Wrong: chat_template_check=warn method=lora-pt dataset=wikitext-2
    Right: chat_template_check=warn
    """
    if spec.chat_template_check != "none" and not spec.checks_chat_template:
        message = "the training does not read conversations, so it has no chat template to compare"
        yield Finding(("chat_template_check",), message, "set chat_template_check=none")


def written_without_check(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chat template is only written by its check.

    Without the check nothing compares the chat template, so nothing is written.
    Source: ftc, check_chat_template.py.

    Wrong: chat_template_write=true
    Right: chat_template_write=true chat_template_check=warn
    """
    if spec.chat_template_write and spec.chat_template_check == "none":
        message = "writes nothing without the check of the chat template"
        yield Finding(("chat_template_write",), message, "set chat_template_check=warn")


_HERE = ("evaluate",)


def evaluation_of_other_methods(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The evaluation after the training needs a supervised fine-tuning (sft).

    LLaMA-Factory generates answers in the stage sft only: `predict_with_generate cannot be set as True except SFT`. It
    cannot load an adapter of OFT for it, and ftc knows only results of LLaMA-Factory.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: 'evaluate={}' train.val_size=0.1 method=lora-pt dataset=wikitext-2
    Right: 'evaluate={}' train.val_size=0.1
    """
    if spec.evaluate is None or spec.evaluates:
        return
    message = "LLaMA-Factory cannot load an adapter of OFT to evaluate it"
    if not spec.trains:
        message = "ftc knows only results of LLaMA-Factory, not that of your program"
    elif spec.method is not None and spec.method.stage != "sft":
        message = f"LLaMA-Factory generates answers in the stage sft only, not in {spec.method.stage}"
    yield Finding(_HERE, message, "set evaluate=null")


def evaluation_without_held_out_rows(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The evaluation after the training has rows that the training did not read.

    They are those of `dataset.evaluation` or `train.eval_dataset`, or the part that `train.val_size` takes out of the
    training data. LLaMA-Factory takes the same part out again, unless it reads other rows: those of a stream, fewer
    `max_samples`, or rows that an earlier run has tokenized. 0.9.3 evaluates an `eval_dataset` only.
    Source: LLaMA-Factory, data/data_utils.py (split_dataset), hparams/parser.py.

    Wrong: 'evaluate={}'
    Right: 'evaluate={}' train.val_size=0.1
    """
    if not spec.evaluates or spec.evaluate is None or spec.dataset is None:
        return
    given = chosen(spec)
    if given.get("streaming") is True:
        related = (set_at(spec, "streaming"),)
        yield Finding(_HERE, "LLaMA-Factory cannot evaluate a stream", "set train.streaming=false", related)
    if "eval_dataset" in held_out(spec, spec.dataset):
        return
    size = given.get("val_size")
    if isinstance(size, int | float) and size > 0:
        yield from _split_off(spec, spec.evaluate)
    else:
        help_ = "hold some out with train.val_size=0.1, or add data with dataset.evaluation"
        yield Finding(_HERE, "no rows are held out of the training", help_)


def _split_off(spec: JobSpec, evaluate: Json) -> Iterator[Finding]:
    """Why the part of the training data cannot be evaluated, or would be another part."""
    pair, size = release.pair(spec.trainer), set_at(spec, "val_size")
    if pair is not None and release.facts(pair).generation_needs_eval_dataset:
        message = (
            f"llamafactory {spec.trainer.llamafactory} evaluates an eval_dataset only, no part of the training data"
        )
        yield Finding(_HERE, message, "add data with dataset.evaluation", (size,))
    if chosen(spec).get("tokenized_path") is not None:
        message = "the rows that are held out of tokenized data are unknown"
        yield Finding(_HERE, message, "leave out tokenized_path", (set_at(spec, "tokenized_path"),))
    if "max_samples" in evaluate:
        message = "splits other rows off than the training, which learned some of them"
        yield Finding((*_HERE, "max_samples"), message, "set train.val_size to the number of rows", (size,))


def model_too_large_to_evaluate(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A device holds the whole model that is evaluated after the training.

    Each process of the prediction loads all weights, however the training shards them: LLaMA-Factory refuses ZeRO-3 for
    it. Otherwise the evaluation ends with `CUDA out of memory`, and the result is published without numbers.
    Source: LLaMA-Factory, hparams/parser.py (device_map).

    Wrong: hardware=a100-40gb model=qwen3-32b method=qlora-sft 'evaluate={}' train.val_size=0.1
    Right: hardware=a100-40gb model=qwen3-32b method=qlora-sft 'evaluate={}' train.val_size=0.1 method.merge=null
    """
    model, device = spec.model.architecture if spec.model else None, spec.hardware.device
    if not spec.evaluates or model is None or device is None or device.memory_mib is None or spec.method is None:
        return
    bits = 8 * HALF
    if spec.method.quantize is not None:
        bits = spec.method.quantize.bits
    elif spec.method.merge is None and spec.method.finetuning_type == "lora":
        bits = chosen(spec).get("quantization_bit") or model.quantized_bits or bits
    need, have = model.parameters * bits // 8, device.memory_mib * MIB
    if need > have:
        message = f"the weights of the result need {need / 2**30:.1f} GiB, but each device has {have / 2**30:.1f} GiB"
        yield Finding(_HERE, message, "set evaluate=null, or choose a device with more memory")


RULES = (
    Rule("FTC281", "nothing-to-check-in-chat-template", nothing_to_check, JobSpec, needed=True),
    Rule("FTC282", "chat-template-written-unchecked", written_without_check, JobSpec),
    Rule("FTC283", "evaluation-needs-sft", evaluation_of_other_methods, JobSpec, needed=True),
    Rule("FTC284", "evaluation-needs-held-out-rows", evaluation_without_held_out_rows, JobSpec, needed=True),
    Rule("FTC285", "evaluation-exceeds-device-memory", model_too_large_to_evaluate, JobSpec, Severity.WARNING),
)
