"""Checks of existing files: VolcanoJobs, batch Jobs and LLaMA-Factory's YAML."""

from __future__ import annotations

import re
from itertools import chain, islice
from posixpath import normpath
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.many import MOST_KEYS
from ftc.diagnostics.model import Diagnostic, Position, Related, Severity
from ftc.lint.unfinished import is_patch, patches, template_place
from ftc.manifests.configs import Config, of_config_maps, of_documents, of_run
from ftc.manifests.objects import Object, Versions, items, objects
from ftc.manifests.steps import Run, steps
from ftc.manifests.subjects import Pod, jobs, scene
from ftc.manifests.text import Held, Spot
from ftc.rules.catalogue import ON_MANIFESTS, ON_OBJECTS, ON_TRAININGS
from ftc.rules.engine import first, in_words, judge
from ftc.rules.pod.sizes import Sent
from ftc.rules.training.from_files import Read, say
from ftc.rules.training.inputs import Input, OtherFiles, is_of_v1, mounted, of_engine
from ftc.source import Document, documents

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from ftc.manifests.subjects import Job
    from ftc.rules.rule import Finding, Rule

__all__ = ["Versions", "lint"]

# More findings of one rule in one place, or in one file, would not help the user.
_MAX_IN_ONE_PLACE = MOST_KEYS + 1
_MAX_IN_ONE_FILE = 1_000


class _File(msgspec.Struct, frozen=True):
    """A file with its content, and the problems of reading it."""

    name: str
    objects: tuple[Object, ...]
    documents: tuple[Document, ...]
    configs: tuple[Config, ...]
    problems: tuple[Diagnostic, ...]

    @property
    def is_empty(self) -> bool:
        """Whether lint does not check any part of the file, and other files cannot refer to it."""
        engines = any(True for document in self.documents for _ in of_engine(Held(document, document.data)))
        named = self.name.rpartition("/")[2] == "dataset_info.json"
        return not (self.objects or self.configs or self.problems or engines or named)


def lint(
    files: Iterable[tuple[str, bytes]], versions: Versions, unnamed: Container[str] = ()
) -> tuple[Diagnostic, ...]:
    """The findings in files, each with its name and content; the files may refer to each other.

    `unnamed` are files from a directory on the command line, which may be unrelated.
    """
    read = [_read(name, raw, versions) for name, raw in files if name not in unnamed or _is_relevant(name, raw)]
    read = _without_patches(read)
    around = scene(manifest for file in read for manifest in file.objects)
    runs = [[_run(job) for job in jobs(file.objects, around)] for file in read]
    others = OtherFiles(document for file in read for document in file.documents)
    known = Input(others, mounted(run for some in runs for run in some), versions.trainer)
    empty = [file.name for file in read if file.is_empty]
    reported = [name for name in empty if name not in unnamed] or (empty[:1] if len(empty) == len(read) else [])
    found = (one for file, some in zip(read, runs, strict=True) for one in _of_file(file, some, known))
    return (*found, *map(_irrelevant, reported))


# Words in the JSON files of a training, and in JSON objects of Kubernetes.
_IN_JSON = re.compile(rb'"(?:zero_optimization|train_micro_batch_size_per_gpu|file_name|hf_hub_url|apiVersion)"')


def _is_relevant(name: str, raw: bytes) -> bool:
    """Whether to read an unnamed file; a repository has JSON files of many programs."""
    return not name.endswith(".json") or _IN_JSON.search(raw) is not None


def _irrelevant(name: str) -> Diagnostic:
    return _note(
        Position(name, 1, 1), "contains no VolcanoJob, Job or pod, and no YAML for LLaMA-Factory's train or export"
    )


def _note(position: Position, message: str, help_: str = "") -> Diagnostic:
    return Diagnostic(code=UNREADABLE, severity=Severity.NOTE, message=message, position=position, help=help_)


def _read(name: str, raw: bytes, versions: Versions) -> _File:
    # YAML does not accept tabs where JSON does; a blank keeps every position.
    found, problems = documents(raw.replace(b"\t", b" ") if name.endswith(".json") else raw, name)
    manifests = tuple(manifest for document in found for manifest in objects(document, versions))
    place, renders = template_place(raw, manifests, broken=bool(problems))
    if place is not None:
        place = msgspec.structs.replace(place, source=name)
        note = _note(place, "is a template, which lint does not check", f"render it first: {renders} | ftc lint -")
        return _File(name, (), (), (), (note,))
    second = [document for document in found if isinstance(document.data, dict) and is_of_v1(document.data)]
    notes = tuple(
        _note(document.position(()), "is a configuration of LLaMA-Factory v1 (USE_V1), which lint does not check")
        for document in second
    )
    configs = tuple(of_documents(found))
    if not (manifests or configs or notes):
        problems = tuple(one for one in problems if not _is_readable(one, found))
    return _File(name, manifests, found, configs, (*problems, *notes))


def _is_readable(problem: Diagnostic, found: Iterable[Document]) -> bool:
    """Whether a problem is with the keys of a document, which another program may accept."""
    roots = [document.root for document in found if document.root is not None]
    line = problem.position.line - 1 if problem.position else 0
    return any(root.start_mark.line <= line <= root.end_mark.line for root in roots)


def _without_patches(read: list[_File]) -> list[_File]:
    """The files, with a note in place of each patch of kustomize: a patch is not a whole object."""
    named = patches(document for file in read for document in file.documents)
    return [_patch(file, named.get(normpath(file.name))) for file in read]


def _patch(file: _File, directory: str | None) -> _File:
    if not file.objects or (directory is None and not any(is_patch(one.data) for one in file.documents)):
        return file
    help_ = f"lint the result: kustomize build {directory or '…'} | ftc lint -"
    note = _note(Position(file.name, 1, 1), "is a patch of kustomize, which lint does not check", help_)
    return _File(file.name, (), (), (), (note,))


def _of_file(file: _File, runs: list[Run], known: Input) -> Iterator[Diagnostic]:
    judged = islice(_findings(file, runs, known), _MAX_IN_ONE_FILE)
    # Two pods from one YAML anchor have one place.
    found = [*file.problems, *{(one.code, one.position, one.message): one for one in judged}.values()]
    yield from found
    if len(found) >= _MAX_IN_ONE_FILE:
        yield _note(Position(file.name, 1, 1), f"has more than {_MAX_IN_ONE_FILE} findings; the rest is omitted")


def _findings(file: _File, runs: list[Run], known: Input) -> Iterator[Diagnostic]:
    rules: dict[type, list[Rule]] = {}
    for rule in ON_MANIFESTS:
        rules.setdefault(rule.subject, []).append(rule)
    for subject in _subjects(file, runs):
        for rule in rules.get(type(subject), ()):
            yield from _of_manifest(rule, subject)
    yield from chain.from_iterable(map(_of_objects, file.documents))
    read = chain(known.of_documents(file.documents, file.configs), known.of_maps(file.objects))
    for one in chain(read, *map(known.of_run, runs)):
        yield from _of_training(one)


def _of_objects(document: Document) -> Iterator[Diagnostic]:
    """The findings on the objects of a document, of any kind."""
    for path, data in items(document.data):
        if isinstance(data, dict) and {"apiVersion", "kind"} <= data.keys():
            for rule, finding in judge(ON_OBJECTS, Sent(data)):
                place = Spot(document, (*path, *finding.where))
                yield _diagnostic(rule, msgspec.structs.replace(finding, where=place))


def _run(job: Job) -> Run:
    return Run(job, tuple(step for crew in job.crews for step in steps(Pod(job, crew))))


def _subjects(file: _File, runs: list[Run]) -> Iterator[object]:
    yield from file.configs
    yield from file.objects
    yield from of_config_maps(file.objects)
    for run in runs:
        yield from (run.job, *[Pod(run.job, crew) for crew in run.job.crews], *run.steps, run, *of_run(run))


def _of_training(read: Read) -> Iterator[Diagnostic]:
    """The findings of the rules on trainings, at the keys of the files."""
    judged = (islice(judge((rule,), read.subject), _MAX_IN_ONE_PLACE) for rule in ON_TRAININGS)
    for rule, finding in chain.from_iterable(judged):
        yield Diagnostic(
            code=rule.code,
            rule=rule.name,
            severity=finding.severity or rule.severity,
            message=finding.message,
            path=read.path(finding.where),
            position=read.at(finding.where).position(),
            help=in_words(finding.help, say),
            related=tuple(Related(read.path(one), read.at(one).position()) for one in finding.related if read.has(one)),
        )


def _of_manifest(rule: Rule, subject: object) -> Iterator[Diagnostic]:
    for finding in first(rule.check(subject), _MAX_IN_ONE_PLACE):
        yield _diagnostic(rule, finding)


def _diagnostic(rule: Rule, finding: Finding) -> Diagnostic:
    return Diagnostic(
        code=rule.code,
        rule=rule.name,
        severity=finding.severity or rule.severity,
        message=finding.message,
        path=finding.where.path,
        position=finding.where.position(),
        help=finding.help,
        related=tuple(Related(spot.path, spot.position()) for spot in finding.related),
    )
