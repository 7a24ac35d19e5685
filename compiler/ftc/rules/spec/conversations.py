"""Rules on the check of the result's chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


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


RULES = (
    Rule("FTC281", "nothing-to-check-in-chat-template", nothing_to_check, JobSpec, needed=True),
    Rule("FTC282", "chat-template-written-unchecked", written_without_check, JobSpec),
)
