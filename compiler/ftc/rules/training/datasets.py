"""Rules on dataset_info.json: its entries, the stage that uses them, and the template."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity, did_you_mean, nearest
from ftc.resources import directory
from ftc.rules.rule import Finding, Remedy, Rule
from ftc.rules.training.subject import Training
from ftc.source import read
from ftc.trainer.arguments import MEDIA, PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.spec.base import Json

# LLaMA-Factory, data/parser.py, in 0.9.3 and 0.9.5.
_ORIGINS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name", "file_name")


_REMOTE = tuple(origin for origin in _ORIGINS if origin != "file_name")


_COLUMNS = (
    *("prompt", "query", "response", "history", "messages", "system", "tools"),
    *("images", "videos", "audios", "chosen", "rejected", "kto_tag"),
)


_TAGS = ("role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")


_KEYS = (*_ORIGINS, "formatting", "ranking", "subset", "split", "folder", "num_samples", "columns", "tags")


_MAPPINGS = ("columns", "tags")


# Common files that do not hold rows; the trainer reads arrow, csv, json, jsonl, parquet and txt.
_WITHOUT_ROWS = (".zip", ".gz", ".tgz", ".tar", ".xz", ".bz2", ".zst", ".7z", ".xls", ".xlsx", ".tsv", ".md", ".pdf")


def entries(run: Training) -> Iterator[tuple[str, KeyPath, Json]]:
    """The descriptions of the datasets that are read for training or evaluation, each with its key."""
    for name in dict.fromkeys((*run.datasets, *run.evaluated)):
        if run.info.tells(name) and name in run.info:
            yield name, ("dataset_info", name), run.info[name]


def mapping(entry: Json, key: str) -> Json | None:
    """The columns or tags of an entry; the defaults apply only if it names none."""
    value = entry.get(key)
    return value if isinstance(value, dict) else None


def dataset_not_described(run: Training) -> Iterator[Finding]:
    """Each training dataset is described in dataset_info.json.

    Otherwise LLaMA-Factory says `Undefined dataset … in dataset_info.json`.
    Source: LLaMA-Factory, data/parser.py.

    Wrong: 'dataset.names=[alpacca]'
    Right: 'dataset.names=[alpaca]'
    """
    for name, entry in run.info.items():
        for key in [key for key in PLACES if not isinstance(entry.get(key, ""), str)]:
            yield Finding(("dataset_info", name, key), "must be a string", "name a path in the source")
    for name in [name for name in run.datasets if name not in run.info]:
        message = f"'{name}' is not described in dataset_info.json"
        yield Finding(("dataset", name), message, did_you_mean(name, run.info), (("dataset_info",),))


def evaluation_dataset_not_described(run: Training) -> Iterator[Finding]:
    """Each evaluation dataset is described in dataset_info.json.

    Otherwise LLaMA-Factory says `Undefined dataset … in dataset_info.json`.
    Source: LLaMA-Factory, data/parser.py.

    Wrong: train.eval_dataset=alpaca_test
    Right: train.eval_dataset=alpaca
    """
    for name in [name for name in run.evaluated if name not in run.info]:
        message = f"'{name}' is not described in dataset_info.json"
        yield Finding(("eval_dataset", name), message, did_you_mean(name, run.info))


def malformed_dataset_entry(run: Training) -> Iterator[Finding]:
    """An entry of dataset_info.json names a file, a known format, and values of the right type.

    Otherwise LLaMA-Factory says `Dataset converter … not found` or `KeyError: 'file_name'` after it has loaded the
    tokenizer. It supports the format `openai` from 0.9.4 on.
    Source: LLaMA-Factory, data/parser.py and data/converter.py.

    Wrong: 'dataset.info.alpaca.formatting=sharegtp'
    Right: 'dataset.info.alpaca.formatting=sharegpt'
    """
    for _, at, entry in entries(run):
        formatting = entry.get("formatting", "alpaca")
        if formatting not in run.data["formats"]:
            message = f"format '{formatting}' does not exist in llamafactory {run.release}"
            yield Finding((*at, "formatting"), message, did_you_mean(str(formatting), run.data["formats"]))
        if not entry.keys() & set(_ORIGINS):
            help_ = "set file_name to a file, or script_url to a repository"
            yield Finding(at, "does not say where the data is", help_)
        name = entry.get("file_name")
        if isinstance(name, str) and name.lower().endswith(_WITHOUT_ROWS):
            message = "cannot be read: LLaMA-Factory reads json, jsonl, csv, parquet, arrow and txt"
            yield Finding((*at, "file_name"), message, "unpack or convert it, and name the resulting file")
        if not isinstance(entry.get("ranking", False), bool):
            yield Finding((*at, "ranking"), "must be true or false", "write true for pairs of answers")
        for key in [key for key in _MAPPINGS if key in entry and mapping(entry, key) is None]:
            yield Finding((*at, key), "must be a mapping", f"name the {key} of the file")


def unknown_dataset_entry_key(run: Training) -> Iterator[Finding]:
    """An entry of dataset_info.json has only keys that LLaMA-Factory reads.

    It ignores other keys silently, so a misspelled column is not used.
    Source: LLaMA-Factory, data/parser.py.

    Wrong: 'dataset.info.alpaca.columns={promt: question, response: answer}'
    Right: 'dataset.info.alpaca.columns={prompt: question, response: answer}'
    """
    for _, at, entry in entries(run):
        yield from _unknown(at, entry, _KEYS)
        for key, known in (("columns", _COLUMNS), ("tags", _TAGS)):
            yield from _unknown((*at, key), mapping(entry, key) or {}, known)


def _unknown(at: KeyPath, given: Json, known: tuple[str, ...]) -> Iterator[Finding]:
    for key in [key for key in given if key not in known]:
        help_ = nearest(str(key), known) or f"known: {', '.join(known)}"
        yield Finding((*at, key), "is ignored", help_)


_OF_REPOSITORIES = ("subset", "folder")


_REPOSITORY = "name the directory of a repository with script_url instead of file_name"


def _of_files(run: Training) -> Iterator[tuple[KeyPath, Json]]:
    """The entries whose rows come from a file, or from the files of a directory."""
    for _, at, entry in entries(run):
        if "file_name" in entry and entry.keys().isdisjoint(_REMOTE):
            yield at, entry


def split_needs_hub_dataset(run: Training) -> Iterator[Finding]:
    """A split other than train is used with a repository, not with a file.

    For `file_name` LLaMA-Factory puts every row into the split `train`, which can be sliced (`train[:1000]`). Another
    split fails after the tokenizer is loaded: `Unknown split "test"`.
    Source: LLaMA-Factory, data/loader.py; datasets 3.6 and 4.0.

    Wrong: 'dataset.info.alpaca={file_name: data, split: test}'
    Right: 'dataset.info.alpaca={script_url: ., split: test}'
    """
    for at, entry in _of_files(run):
        split = entry.get("split", "train")
        if not str(split).startswith("train"):
            yield Finding((*at, "split"), f"a file has only the split train, not '{split}'", _REPOSITORY)


def subset_needs_hub_dataset(run: Training) -> Iterator[Finding]:
    """A subset or a folder is used with a repository, not with a file.

    For `file_name` LLaMA-Factory ignores both and trains on all rows of the file.
    Source: LLaMA-Factory, data/loader.py.

    Wrong: 'dataset.info.alpaca={file_name: data, subset: en}'
    Right: 'dataset.info.alpaca={script_url: ., subset: en}'
    """
    for at, entry in _of_files(run):
        for key in [key for key in _OF_REPOSITORIES if entry.get(key) is not None]:
            yield Finding((*at, key), "is ignored for a file", _REPOSITORY)


_OF_TEXT = "text"  # datasets, packaged_modules/text


def text_file_without_columns(run: Training) -> Iterator[Finding]:
    """A .txt file has one column, `text`.

    datasets reads it line by line, whatever it contains, so JSON in it has no columns: `KeyError: 'instruction'` while
    LLaMA-Factory tokenizes.
    Source: LLaMA-Factory, extras/constants.py (FILEEXT2TYPE); datasets, packaged_modules/text/text.py.

    Wrong: 'dataset.info.alpaca={file_name: a.txt, columns: {prompt: instruction, response: output}}'
    Right: 'dataset.info.alpaca={file_name: a.jsonl, columns: {prompt: instruction, response: output}}'
    """
    for at, entry in _of_files(run):
        if not str(entry.get("file_name")).lower().endswith(".txt"):
            continue
        conversations = entry.get("formatting", "alpaca") != "alpaca"
        default = {"messages": "conversations"} if conversations else {"prompt": "instruction"}
        named = [str(column) for column in (mapping(entry, "columns") or default).values() if column is not None]
        other = [column for column in named if column != _OF_TEXT]
        if other:
            message = f"a .txt file has only the column text, not {', '.join(other)}"
            help_ = "name JSON lines .jsonl, and JSON .json; for pretraining on text set columns: {prompt: text}"
            yield Finding((*at, "columns" if "columns" in entry else "file_name"), message, help_)


_OF_PAIRS = ("rm", "dpo")


@cache
def _shipped_for(stage: str) -> tuple[Remedy, ...]:
    """The remedies that choose a shipped dataset with pairs of answers, or with ratings for kto."""
    return tuple({"shipped_dataset": name} for name, entry in _shipped() if _fits(stage, entry))


def _fits(stage: str, entry: Json) -> bool:
    return "kto_tag" in entry.get("columns", {}) if stage == "kto" else entry.get("ranking") is True


def _shipped() -> Iterator[tuple[str, Json]]:
    """The options of conf/dataset with the descriptions of their datasets."""
    for file in sorted((directory("conf") / "dataset").glob("*.yaml")):
        document, _ = read(file, file.name)
        info = (document.data.get("info") if document is not None else None) or {}
        yield from ((file.stem, entry) for entry in info.values())


def preference_data_needs_preference_stage(run: Training) -> Iterator[Finding]:
    """Reward models and DPO are trained on pairs of answers, other stages are not.

    Otherwise LLaMA-Factory says `The dataset is not applicable in the current training stage` after it has loaded the
    tokenizer.
    Source: LLaMA-Factory, data/loader.py.

    Wrong: method.stage=dpo
    Right: method.stage=dpo 'dataset.info.alpaca={file_name: a, ranking: true,
      columns: {prompt: question, chosen: better, rejected: worse}}'
    """
    for name, at, entry in entries(run):
        ranking = entry.get("ranking", False)
        if ranking is False and run.stage in _OF_PAIRS:
            message = f"'{name}' does not have pairs of answers, but stage {run.stage} needs them"
            other = f"mark '{name}' with ranking: true and the columns chosen and rejected, or use another stage"
            yield Finding((*at, "ranking"), message, (*_shipped_for(run.stage), other), (("stage",),))
        elif ranking is True and run.stage not in _OF_PAIRS:
            message = f"'{name}' has pairs of answers, but stage {run.stage} does not use them"
            help_ = ({"stage": "dpo"}, "use another dataset")
            yield Finding((*at, "ranking"), message, help_, (("stage",),))


def missing_dataset_columns(run: Training) -> Iterator[Finding]:
    """An entry names the columns that its format and the stage need.

    If an entry has `columns`, LLaMA-Factory's defaults do not apply: it fails with `KeyError: None`, or drops every row
    with `Cannot find valid samples`.
    Source: LLaMA-Factory, data/parser.py.

    Wrong: 'dataset.info.alpaca.columns={system: system}'
    Right: 'dataset.info.alpaca.columns={prompt: instruction, response: output, system: system}'
    """
    for name, at, entry in entries(run):
        columns = mapping(entry, "columns")
        missing = [column for column in _required(run, entry) if not (columns or {}).get(column)]
        if missing:
            message = f"'{name}' does not name a column for {' and '.join(missing)}"
            others = _shipped_for(run.stage) if run.stage == "kto" and "kto_tag" in missing else ()
            yield Finding(
                (*at, "columns"), message, (*others, f"add {', '.join(f'{column}: …' for column in missing)}")
            )


def _required(run: Training, entry: Json) -> list[str]:
    """The columns that each row needs; an alpaca file without `columns` has defaults."""
    conversations = entry.get("formatting", "alpaca") != "alpaca"
    pairs = ["chosen", "rejected"] if run.stage in _OF_PAIRS and entry.get("ranking") is True else []
    needed = [*pairs, *(["kto_tag"] if run.stage == "kto" else [])]
    if mapping(entry, "columns") is None:
        return needed
    by_stage = {"sft": ["response"], "kto": ["response"], "pt": ["prompt"], "ppo": ["prompt"]}
    return [*(["messages"] if conversations else by_stage.get(run.stage, [])), *needed]


def missing_conversation_tags(run: Training) -> Iterator[Finding]:
    """An entry with conversations names the tags of its messages.

    If an entry has `tags`, LLaMA-Factory's defaults do not apply: it fails with `KeyError: None`, or drops every
    conversation with `Cannot find valid samples`.
    Source: LLaMA-Factory, data/parser.py.

    Wrong: 'dataset.info.alpaca={file_name: a, formatting: sharegpt, tags: {role_tag: role, content_tag: content}}'
    Right: 'dataset.info.alpaca={file_name: a, formatting: sharegpt, tags: {role_tag: role, content_tag: content,
      user_tag: user, assistant_tag: assistant}}'
    """
    for name, at, entry in entries(run):
        tags = mapping(entry, "tags")
        if tags is None or entry.get("formatting", "alpaca") == "alpaca":
            continue
        missing = [tag for tag in ("role_tag", "content_tag", "user_tag", "assistant_tag") if not tags.get(tag)]
        if missing:
            message = f"'{name}' does not name {' and '.join(missing)}"
            yield Finding((*at, "tags"), message, f"add {', '.join(f'{tag}: …' for tag in missing)}")


def media_need_multimodal_template(run: Training) -> Iterator[Finding]:
    """Images, videos and audio are used with a template that supports them.

    LLaMA-Factory stops while it tokenizes: `This model does not support image input. Please check whether the correct
    template is used`.
    Source: LLaMA-Factory, data/mm_plugin.py.

    Wrong: dataset=covla-qa-zh model=qwen3-8b
    Right: dataset=covla-qa-zh model=qwen2.5-vl-7b-instruct
    """
    if not run.template or run.stage == "pt":
        return
    for name, at, entry in entries(run):
        columns = mapping(entry, "columns") or {}
        for medium in [medium for medium in MEDIA if columns.get(medium) and medium not in run.template["media"]]:
            message = f"'{name}' has {medium}, but template {run.value('template')} does not support them"
            supporting = _similar(run.value("template"), medium, run.data["templates"])
            help_ = f"use a model with a template that does, such as {supporting}"
            yield Finding((*at, "columns", medium), message, help_, (("template",),))


def _similar(template: str, medium: str, templates: dict[str, Any]) -> str:
    """The nearest templates that support a medium."""
    supporting = [name for name, facts in templates.items() if medium in facts["media"]]
    family = [name for name in supporting if name.startswith(template.rstrip("_0123456789"))]
    return ", ".join((family or supporting)[:3])


def template_of_another_model(run: Training) -> Iterator[Finding]:
    """The template is the one that the model was trained with.

    LLaMA-Factory does not compare them: another template trains with turn markers and a system prompt that the model
    has not seen, and is saved with the result.
    Source: LLaMA-Factory, data/template.py and extras/constants.py.

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
    Rule("FTC406", "dataset-not-described", dataset_not_described, Training),
    Rule("FTC450", "evaluation-dataset-not-described", evaluation_dataset_not_described, Training),
    Rule("FTC451", "malformed-dataset-entry", malformed_dataset_entry, Training),
    Rule("FTC452", "unknown-dataset-entry-key", unknown_dataset_entry_key, Training, Severity.WARNING),
    Rule("FTC453", "preference-data-needs-preference-stage", preference_data_needs_preference_stage, Training),
    Rule("FTC454", "missing-dataset-columns", missing_dataset_columns, Training),
    Rule("FTC455", "missing-conversation-tags", missing_conversation_tags, Training),
    Rule("FTC484", "text-file-without-columns", text_file_without_columns, Training),
    Rule("FTC470", "split-needs-hub-dataset", split_needs_hub_dataset, Training),
    Rule("FTC472", "subset-needs-hub-dataset", subset_needs_hub_dataset, Training, Severity.WARNING),
    Rule("FTC456", "media-need-multimodal-template", media_need_multimodal_template, Training),
    Rule("FTC457", "template-of-another-model", template_of_another_model, Training, Severity.WARNING),
)
