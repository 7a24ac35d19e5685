"""All training subjects in an input: in files, ConfigMaps, annotations and scripts."""

from __future__ import annotations

import re
from functools import partial
from posixpath import dirname, normpath
from posixpath import join as join_path
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import KeyPath
from ftc.manifests import configs
from ftc.manifests.files import written
from ftc.manifests.manifest import ConfigMap
from ftc.manifests.text import Held, Text, held
from ftc.rules.training.engines import AccelerateFile, DeepSpeedFile
from ftc.rules.training.from_files import Read, of_config
from ftc.source import Document
from ftc.source.unknown import Fields, fields, has_placeholder
from ftc.spec.job import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.configs import Config
    from ftc.manifests.objects import Object
    from ftc.manifests.steps import Run
    from ftc.spec.base import Json


class OtherFiles:
    """The other files of the input, which a training file may name."""

    def __init__(self, documents: Iterable[Document]) -> None:
        """Keep files that hold a mapping; two with the same name are ambiguous."""
        self._files: dict[str, Document | None] = {}
        for document in documents:
            if isinstance(document.data, dict):
                duplicate = document.source in self._files
                self._files[document.source] = None if duplicate else document

    def find(self, source: str, name: str) -> Held | None:
        """The file that a file at `source` names: relative to it, by the end of its path, or next to it."""
        here = dirname(source)
        ends = [path for path in self._files if f"/{path}".endswith(f"/{normpath(name)}")]
        near = join_path(here, name.rpartition("/")[2]) if name.startswith("/") else ""
        for path in (normpath(join_path(here, name)), *(ends if len(ends) == 1 else ()), near):
            document = self._files.get(path)
            if document is not None:
                return Held(document, document.data)
        return None


class Input(msgspec.Struct, frozen=True):
    """The context of one file: the other files of the input, the texts that pods read, and the requested versions."""

    others: OtherFiles
    mounted: frozenset[tuple[str, KeyPath]]
    requested: Trainer | None

    def of_documents(self, documents: Iterable[Document], files: Iterable[Config]) -> Iterator[Read]:
        """The subjects that are files."""
        for document in documents:
            yield from of_engine(Held(document, document.data))
        for config in files:
            yield from of_config(config, self.requested, partial(self.others.find, config.document.source))

    def of_maps(self, objects: Iterable[Object]) -> Iterator[Read]:
        """The subjects in ConfigMaps, except training files that a pod of the input reads."""
        for one in objects:
            if not isinstance(one.content, ConfigMap):
                continue
            texts = {
                key: Text(one.document, (*one.path, "data", key), value) for key, value in one.content.data.items()
            }
            yield from engine_files(texts.values())
            for config in configs.of_config_maps([one]):
                if config.text is not None and _place(config.text) not in self.mounted:
                    yield from of_config(config, self.requested, partial(_in_map, texts))

    def of_run(self, run: Run) -> Iterator[Read]:
        """The subjects that the pods of a job read or write."""
        found = {
            _place(config.text): config for config in (*configs.of_run(run), *configs.of_trainer(run)) if config.text
        }
        for config in found.values():
            yield from of_config(config, self.requested, lambda _: None)
        yield from engine_files(one.text for step in run.steps for one in written(step) if one.text is not None)
        for crew in run.job.crews:
            place = partial(run.job.at, *crew.path, "metadata", "annotations")
            yield from engine_files(place(key).text(value) for key, value in crew.template.metadata.annotations.items())


def _place(text: Text) -> tuple[str, KeyPath]:
    return text.document.source, (*text.path, text.start)


def mounted(runs: Iterable[Run]) -> frozenset[tuple[str, KeyPath]]:
    """The texts that pods read as training files."""
    return frozenset(_place(config.text) for run in runs for config in configs.of_trainer(run) if config.text)


def _in_map(texts: dict[str, Text], name: str) -> Held | None:
    """The key of a ConfigMap that one of its files names."""
    text = texts.get(name.rpartition("/")[2])
    return held(text)[0] if text is not None else None


def engine_files(texts: Iterable[Text]) -> Iterator[Read]:
    """The files of DeepSpeed and accelerate among texts, including unreadable ones."""
    for text in texts:
        if not _LOOKS_LIKE_ENGINE.search(text.value):
            continue
        file, problems = held(text)
        if file is not None:
            yield from of_engine(file)
        elif text.value.lstrip().startswith("{") and not has_placeholder(text.value):
            where = problems[0].position
            why = problems[0].message.removeprefix("is not YAML: ").partition(", while")[0]
            why = re.sub(r" that begins at \S+", "", why)  # a position in the text, not in the input
            broken = Held(Document("", text.value, {}, None), {}, text)
            spot = text.at_line(where.line, where.column) if where is not None else text.at()
            yield Read(DeepSpeedFile(Fields(), why), broken, spot=spot)


_LOOKS_LIKE_ENGINE = re.compile(r"zero_optimization|train_micro_batch_size_per_gpu|distributed_type")


_OF_ACCELERATE = {"compute_environment", "num_processes", "num_machines", "mixed_precision"}


def of_engine(file: Held) -> Iterator[Read]:
    """The subject of a file of DeepSpeed or accelerate."""
    data = file.data
    if not isinstance(data, dict) or "kind" in data:
        return
    given = fields(data, has_placeholder)
    if data.keys() & {"zero_optimization", "train_micro_batch_size_per_gpu"}:
        yield Read(DeepSpeedFile(given), file)
    elif "distributed_type" in data and data.keys() & _OF_ACCELERATE:
        yield Read(AccelerateFile(given), file)


# Two of these identify a file of LLaMA-Factory v1, a separate program with other arguments.
_OF_V1 = {
    *("train_dataset", "eval_dataset", "dist_config", "peft_config", "kernel_config", "quant_config", "init_config"),
    *("model_class", "micro_batch_size", "global_batch_size", "sample_backend", "cutoff_len"),
}


def is_of_v1(data: Json) -> bool:
    """Whether a file is a configuration of LLaMA-Factory v1 (USE_V1)."""
    return "model" in data and len(_OF_V1 & data.keys()) >= _ENOUGH


_ENOUGH = 2
