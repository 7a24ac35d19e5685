"""Rules on the datasets of a run together, which LLaMA-Factory reads from one dataset_info.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity, dotted
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec, source_path
from ftc.trainer.arguments import chosen, has_media

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.model import OneDataset


def _key(part: str) -> KeyPath:
    return source_path(part)[:-1]


def dataset_name_used_twice(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Each dataset of a run has its own name.

    LLaMA-Factory reads one dataset_info.json, in which a name has one description, and trains once on a name that is
    listed twice. Evaluation data may be a dataset of the training.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, data/parser.py and data/loader.py.

    Wrong: 'dataset=[alpaca,custom]' dataset.more.custom.id=team/alpaca dataset.more.custom.info.alpaca.script_url=.
    Right: 'dataset=[alpaca,custom]' dataset.more.custom.id=team/alpaca dataset.more.custom.info.ours.script_url=.
    """
    if spec.dataset is None:
        return
    seen: dict[str, str] = {}
    parts, trained = spec.dataset.parts, spec.dataset.trained
    for part, one in parts.items():
        for name in one.used:
            other = seen.setdefault(name, part)
            if other != part and (part in trained or _differ(one, parts[other], name)):
                message = f"'{name}' already names a dataset of the key {dotted(_key(other))}"
                help_ = f"describe it under another name: {dotted(_key(part))}.info.NAME"
                yield Finding((*_key(part), "info" if one.info else "names"), message, help_, (_key(other),))


def _differ(one: OneDataset, other: OneDataset, name: str) -> bool:
    return one.source != other.source or (one.info or {}).get(name) != (other.info or {}).get(name)


def media_of_several_sources(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Images, videos and audio that are files come from one source.

    LLaMA-Factory joins their names in the rows to one directory, `media_dir`. ftc names the first source with media;
    the trainer does not find the files of another one. Media inside of the rows need no directory.
    Source: LLaMA-Factory 0.9.3 to 0.9.5, data/converter.py.

    Wrong: model=qwen2.5-vl-7b-instruct 'dataset=[covla-qa-zh,llava-1k-en]'
    Right: model=qwen2.5-vl-7b-instruct dataset=covla-qa-zh
    """
    parts = spec.dataset.parts if spec.dataset is not None and "media_dir" not in chosen(spec) else {}
    media = [(part, one) for part, one in parts.items() if any(map(has_media, (one.info or {}).values()))]
    for part, one in media[1:]:
        first, other = media[0]
        if one.source != other.source:
            message = f"has media, but the trainer looks for all files in the source of {dotted(_key(first))}"
            help_ = "put the files of both into one source; if its media are in its rows, ignore FTC272"
            yield Finding((*_key(part), "info"), message, help_, (_key(first),))


RULES = (
    Rule("FTC271", "dataset-name-used-twice", dataset_name_used_twice, JobSpec, needed=True),
    Rule("FTC272", "media-of-several-sources", media_of_several_sources, JobSpec, Severity.WARNING),
)
