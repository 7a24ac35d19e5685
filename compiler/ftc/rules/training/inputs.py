"""All training subjects in an input: in files, ConfigMaps, annotations and scripts."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from posixpath import dirname, normpath
from posixpath import join as join_path
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import KeyPath
from ftc.manifests import configs
from ftc.manifests.files import written
from ftc.manifests.manifest import ConfigMap
from ftc.manifests.subjects import Growing
from ftc.manifests.text import Held, Text, held
from ftc.rules.training.engines import AccelerateFile, DeepSpeedFile
from ftc.rules.training.from_files import Read, of_config
from ftc.source import Document
from ftc.source.unknown import Fields, fields, has_placeholder
from ftc.spec.job import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ftc.manifests.configs import Config
    from ftc.manifests.objects import Object
    from ftc.manifests.steps import Run
    from ftc.spec.base import Json


class OtherFiles:
    """The other files of the input, which a training file may name."""

    def __init__(self, names: Collection[str], documents: Callable[[str], Iterable[Document]]) -> None:
        """`names` are those of all files; `documents` reads the files with a name."""
        self._names = names
        self._numbers: dict[str, int] = {}
        self._mappings = lru_cache(maxsize=_KEPT)(partial(_mappings, documents))

    @cached_property
    def _by_end(self) -> dict[str, dict[str, None]]:
        """The names, by their last part; most inputs have no training file that needs them."""
        found: dict[str, dict[str, None]] = {}
        for name in self._names:
            found.setdefault(name.rpartition("/")[2], {})[name] = None
        return found

    def find(self, source: str, name: str) -> Held | None:
        """The file that a file at `source` names: relative to it, by the end of its path, or next to it."""
        here = dirname(source)
        near = join_path(here, name.rpartition("/")[2]) if name.startswith("/") else ""
        for path in chain((normpath(join_path(here, name)),), self._ending_with(normpath(name)), (near,)):
            # Two mappings with the same name are ambiguous.
            if self._number(path) == 1:
                (document,) = self._mappings(path)
                return Held(document, document.data)
        return None

    def _ending_with(self, name: str) -> Iterator[str]:
        """The file with this end of its path, if there is only one."""
        named = (path for path in self._by_end.get(name.rpartition("/")[2], ()) if f"/{path}".endswith(f"/{name}"))
        found = list(islice((path for path in named if self._number(path)), _AMBIGUOUS))
        yield from found if len(found) == 1 else ()

    def _number(self, path: str) -> int:
        """The number of mappings in the files with a name, up to two."""
        if path not in self._by_end.get(path.rpartition("/")[2], ()):
            return 0
        if path not in self._numbers:
            self._numbers[path] = len(self._mappings(path))
        return self._numbers[path]


# The number of files in memory; several trainings often name the same file.
_KEPT = 8
_AMBIGUOUS = 2


def _mappings(documents: Callable[[str], Iterable[Document]], name: str) -> tuple[Document, ...]:
    """The mappings in the files with a name, up to two."""
    return tuple(islice((one for one in documents(name) if isinstance(one.data, dict)), _AMBIGUOUS))


class Input(msgspec.Struct, frozen=True):
    """The context of one file: the other files of the input, the texts that pods read, and the requested versions."""

    others: OtherFiles
    mounted: Growing[tuple[str, KeyPath]]
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
