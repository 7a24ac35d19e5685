"""LLaMA-Factory's YAML in a file, a ConfigMap, an annotation or a here-document."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.diagnostics.model import Diagnostic
from ftc.manifests.files import Written, directory_at, join, resolved, written
from ftc.manifests.manifest import ConfigMap
from ftc.manifests.shell.script import Command
from ftc.manifests.steps import Run, Step
from ftc.manifests.subjects import mounted_text
from ftc.manifests.text import Spot, Text
from ftc.patterns import lazily
from ftc.source import Document, parse
from ftc.source.unknown import has_placeholder
from ftc.spec.base import Json
from ftc.trainer import release
from ftc.trainer.release import contained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.objects import Object

# Keys that only LLaMA-Factory uses; a file with two of them is a configuration of LLaMA-Factory.
_OWN = (
    *("stage", "finetuning_type", "template", "dataset_dir", "lora_target", "lora_rank", "cutoff_len", "export_dir"),
    *("preprocessing_num_workers", "do_train", "adapter_name_or_path", "model_name_or_path", "overwrite_output_dir"),
)


# Keys of `llamafactory-cli eval`, which has separate arguments.
_OF_EVAL = ("task", "task_dir", "lang", "n_shot", "save_dir")


_ENOUGH = 2


_LOOKS = lazily(rf"^\s*(?:{'|'.join(_OWN)})\s*:", re.MULTILINE)


class Config(msgspec.Struct, frozen=True):
    """A configuration of LLaMA-Factory: its values, their places, and the container that reads it, if known.

    `text` is missing if the file is a whole document. `expanded` says that a shell expands variables in it. `runs` is
    the command that reads it, `where` the working directory of that command. `more` are lines that a script appends.
    """

    data: Json
    document: Document
    text: Text | None = None
    run: Run | None = None
    step: Step | None = None
    expanded: bool = False
    runs: Command | None = None
    where: str = ""
    more: tuple[Written, ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    def at(self, *path: str | int) -> Spot:
        """The place of a key."""
        if self.text is None:
            return Spot(self.document, path)
        position = self.document.position(path)
        return self.text.at_line(position.line, position.column)

    def value(self, name: str) -> Any:
        """A value that is known before the run; None if the key is missing or its value is filled in later."""
        value = self.data.get(name)
        return None if isinstance(value, str) and self.is_filled_in(value) else value

    def is_filled_in(self, text: str) -> bool:
        """Whether a value is filled in later: in a here-document the shell expands each `$` and backtick."""
        return has_placeholder(text) or (self.expanded and ("$" in text or "`" in text))

    @property
    def exports(self) -> bool:
        """Whether the file is for `export`; `train` accepts the arguments of an export too."""
        return "export_dir" in self.data and self.data.get("do_train") is not True


# Images of platforms, such as `fine-tune-with-llamafactory`, have their own versions.
_IMAGE = lazily(r"(?:^|/)llama-?factory[^:@]*:v?([0-9]+\.[0-9]+\.[0-9]+)", re.IGNORECASE)


_PIN = lazily(r"llamafactory(?:\[[\w,-]*\])?==([0-9]+\.[0-9]+\.[0-9]+)")


def release_of(step: Step) -> str:
    """The release of LLaMA-Factory in a container, from a pin in its script or the tag of its image."""
    script = step.program.script.value if step.program is not None else ""
    found = _PIN.search(script)
    known = contained(step.container.image)  # its tag may be that of the image
    if found is None and known is not None:
        return known.llamafactory
    found = found or _IMAGE.search(step.container.image)
    return found[1] if found else ""


def is_official(step: Step) -> bool:
    """Whether the image is one that LLaMA-Factory publishes, so that its packages are known."""
    return _OFFICIAL.match(step.container.image) is not None


_OFFICIAL = lazily(r"((docker\.io|index\.docker\.io)/)?hiyouga/llamafactory:")


def of_documents(documents: Iterable[Document]) -> Iterator[Config]:
    """The documents that are configurations of LLaMA-Factory."""
    for document in documents:
        if isinstance(document.data, dict) and "kind" not in document.data and _is_config(document.data):
            yield Config({str(key): value for key, value in document.data.items()}, document)


def of_config_maps(objects: Iterable[Object]) -> Iterator[Config]:
    """The configurations in ConfigMaps, without the containers that mount them."""
    for held in objects:
        if isinstance(held.content, ConfigMap):
            for key, value in held.content.data.items():
                yield from _read(Text(held.document, (*held.path, "data", key), value))


# Several rules need the configurations of a run. A run that kept them would be garbage that only a collector finds.
_RUNS = 16


@lru_cache(maxsize=_RUNS)
def of_run(run: Run) -> tuple[Config, ...]:
    """The configurations in annotations of pods and in here-documents of their scripts."""
    return tuple(_of_run(run))


def _of_run(run: Run) -> Iterator[Config]:
    for crew in run.job.crews:
        step = next((s for s in run.steps if s.pod.crew == crew and not s.init), None)
        for key, value in crew.template.metadata.annotations.items():
            place = run.job.at(*crew.path, "metadata", "annotations", key)
            yield from _read(place.text(value), run=run, step=step)
    for step in run.steps:
        files = written(step)
        for one in files:
            if one.text is not None and not one.appended and one.command.heredoc is not None:
                more = tuple(other for other in files if other.path == one.path and other.appended)
                runs = next(
                    (c for c in _readers(step) if _reads(step, c, one.path) and c.start > one.command.start), None
                )
                where = directory_at(step, runs.start) if runs is not None else ""
                found = _read(one.text, run=run, step=step, expanded=not one.plain)
                yield from (msgspec.structs.replace(c, runs=runs, where=where, more=more) for c in found)


@lru_cache(maxsize=_RUNS)
def of_trainer(run: Run) -> tuple[Config, ...]:
    """The configurations that commands of the run read, also from mounted ConfigMaps, in the order of the commands."""
    mounted = [
        config
        for step in run.steps
        for command in _readers(step)
        for word in command.arguments
        if (path := resolved(step, word, command.start)) is not None
        if (text := mounted_text(step.pod, step.container, path)) is not None
        for config in _read(text, run=run, step=step, runs=command, where=directory_at(step, command.start))
    ]
    return (*mounted, *(config for config in of_run(run) if config.runs is not None))


def _readers(step: Step) -> Iterator[Command]:
    program = step.program
    for command in program.script.commands if program else ():
        words = {word.text for word in command.words}
        ours = {"llamafactory-cli", "lmf", "llamafactory.launcher"} & words
        if ours or any(str(word).endswith("train.py") for word in words):
            yield command


def _reads(step: Step, command: Command, path: str) -> bool:
    return any(resolved(step, word, command.start) == path for word in command.words)


def _read(text: Text, **known: Any) -> Iterator[Config]:
    if not _LOOKS.search(text.value):
        return
    document, problems = parse(text.value, text.document.source)
    if document is None and len(_LOOKS.findall(text.value)) >= _ENOUGH and not re.search(r"\$|\{\{", text.value):
        yield Config({}, Document("", text.value, {}, None), text, problems=problems, **known)
    elif document is not None and _is_config(document.data):
        yield Config({str(key): value for key, value in document.data.items()}, document, text, **known)


def _is_config(data: Json) -> bool:
    """Whether enough keys belong to LLaMA-Factory, and no value is a section, which its files do not have."""
    sections = {key for key, value in data.items() if isinstance(value, dict)}
    ours = sum(key in data for key in _OWN) >= _ENOUGH and sections <= arguments()
    return ours and sum(key in data for key in _OF_EVAL) < _ENOUGH


@cache
def arguments() -> set[str]:
    """The arguments of all known releases."""
    return {name for pair in release.pairs() for name in release.arguments(pair)["arguments"]}


def file_named(config: Config, name: str) -> str:
    """The path of a file that the configuration names, as its program resolves it."""
    return join(config.where, name)
