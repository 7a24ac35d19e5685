"""Rules on the template: it is the model's, and has a place for the media of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.datasets import entries, mapping
from ftc.rules.training.subject import Training

if TYPE_CHECKING:
    from collections.abc import Iterator


_MEDIA = ("images", "videos", "audios")


def media_have_a_template(run: Training) -> Iterator[Finding]:
    """Images, videos and sound are used with a template that supports them.

    LLaMA-Factory says while it tokenises: `This model does not support image input. Please check whether the correct
    template is used` (data/mm_plugin.py).

    Wrong: dataset=covla-qa-zh model=qwen3-8b
    Right: dataset=covla-qa-zh model=qwen2.5-vl-7b-instruct
    """
    if not run.template or run.stage == "pt":
        return
    for name, at, entry in entries(run):
        columns = mapping(entry, "columns") or {}
        for medium in [medium for medium in _MEDIA if columns.get(medium) and medium not in run.template["media"]]:
            message = f"'{name}' has {medium}, but template {run.value('template')} does not support them"
            able = _similar(run.value("template"), medium, run.data["templates"])
            help_ = f"use a model with a template that does, such as {able}"
            yield Finding((*at, "columns", medium), message, help_, (("template",),))


def _similar(template: str, medium: str, templates: dict[str, Any]) -> str:
    """The nearest templates that support a medium."""
    able = [name for name, facts in templates.items() if medium in facts["media"]]
    family = [name for name in able if name.startswith(template.rstrip("_0123456789"))]
    return ", ".join((family or able)[:3])


def template_is_of_the_model(run: Training) -> Iterator[Finding]:
    """The template is the one that the model was trained with.

    LLaMA-Factory never compares the two: another template trains with other turn markers and another system prompt than
    the model knows, and is written into the result (data/template.py; models by template: extras/constants.py).

    Wrong: model=qwen3-8b model.template=llama3
    Right: model=qwen3-8b model.template=qwen3
    """
    known = run.data["templates"]
    model, chosen = run.model or "", str(run.value("template"))
    owners = [template for template, models in run.data["models"].items() if model in models]
    if not owners or chosen not in known or run.stage == "pt" or "base" in model.lower():
        return
    if chosen.removesuffix("_nothink") not in {owner.removesuffix("_nothink") for owner in owners}:
        message = f"llamafactory {run.release} trains {model} with template {' or '.join(owners)}, not {chosen}"
        yield Finding(("template",), message, {"template": owners[0]}, (("model_name_or_path",),))


RULES = (
    Rule("FTC456", media_have_a_template, Training),
    Rule("FTC457", template_is_of_the_model, Training, Severity.WARNING),
)
