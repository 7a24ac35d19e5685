"""Checks of existing files: VolcanoJobs, batch Jobs, JobSets, TrainJobs and LLaMA-Factory's YAML.

Files that another program completes, templates and patches of kustomize, are recognized.
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import chain, islice
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import MOST_KEYS, Diagnostic, Position, Related, Severity
from ftc.manifests.configs import Config, of_config_maps, of_documents, of_run
from ftc.manifests.objects import Object, Versions, items, objects
from ftc.manifests.steps import Run, steps
from ftc.manifests.subjects import Growing, IncompleteError, Pod, jobs, scene, volumes
from ftc.manifests.text import Held, Spot
from ftc.rules.catalogue import GROUPS, ON_MANIFESTS, ON_OBJECTS, ON_TRAININGS
from ftc.rules.pod.sizes import Sent
from ftc.rules.rule import in_words, judge, reported
from ftc.rules.training.from_files import Read, say
from ftc.rules.training.inputs import Input, OtherFiles, is_of_v1, mounted, of_engine
from ftc.source import Document, documents

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.manifests.subjects import Job
    from ftc.rules.rule import Finding, Rule


# A placeholder for a YAML value or line in a template of Helm or Jinja.
_LINE = re.compile(rb"^\s*(?:-\s+)?(?:[\w./-]+:\s+)?[\"']?(?:\{\{|\{%)", re.MULTILINE)
# Helm's syntax only: other programs have braces in texts too.
_HELM = re.compile(rb"\{\{-?\s*(?:\.[A-Z]|\$\.|include |template |toYaml |range |if |with )")
_HELM_VALUE = re.compile(rb"\{\{-?\s*(?:\w+\s+)?\$?\.(?:Values|Release|Chart|Capabilities)\b")
_BRACES = re.compile(r"\{\{.*\}\}")
# A placeholder of envsubst or Flux; Kubernetes expands only `$(NAME)`.
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*(?:[:=+?-][^}]*)?\}|^\$[A-Za-z_]\w*$")
# Programs in a pod replace placeholders in these fields themselves.
_TEXTS = {"command", "args", "env", "data", "stringData", "binaryData", "annotations", "exec", "postStart", "preStop"}


def template_place(raw: bytes, manifests: Iterable[Object], *, broken: bool) -> tuple[Position | None, str]:
    """The place that makes a file a template, or None, and the command that renders it.

    `broken` says that the file is not valid YAML, as a template often is not.
    """
    found = tuple(manifests)
    name = next((one.document.source for one in found), "")
    line = _LINE.search(raw) if b"{{" in raw or b"{%" in raw else None
    helm = line if line and (broken or (found and _HELM.search(raw))) else (broken or found) and _HELM_VALUE.search(raw)
    if helm:
        return Position(name, raw.count(b"\n", 0, helm.end()) + 1, 1), "helm template …"
    for manifest in found:
        for path, text in _strings(manifest.data, ()):
            if _BRACES.search(text):
                return manifest.at(*path).position(), "helm template …"
        for path, text in _invalid(manifest):
            if _VARIABLE.search(text):
                return manifest.at(*path).position(), f"envsubst < {name}"
    return None, ""


def _invalid(manifest: Object) -> Iterator[tuple[KeyPath, str]]:
    """The strings of an object that the API server would refuse, and its name, which rules check."""
    yield from ((one.path, one.instance) for one in manifest.mismatches if isinstance(one.instance, str))
    for key in ("name", "generateName"):
        yield ("metadata", key), str(manifest.raw("metadata", key))


def _strings(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The strings of an object outside of the texts of programs, with their paths."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in _TEXTS:
                yield from _strings(value, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _strings(item, (*path, index))


_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def patches(documents: Iterable[Document]) -> dict[str, str]:
    """The files that kustomizations of the input name as patches, each with the directory to build."""
    found: dict[str, str] = {}
    for document in documents:
        data = document.data
        if document.source.rpartition("/")[2] in _KUSTOMIZATIONS and isinstance(data, dict):
            here = dirname(document.source)
            for name in _named(data):
                found.setdefault(normpath(join(here, name)), here or ".")
    return found


def _named(kustomization: dict[Any, Any]) -> Iterator[str]:
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        given = kustomization.get(key)
        for entry in given if isinstance(given, list) else ():
            name = entry.get("path") if isinstance(entry, dict) else entry
            if isinstance(name, str) and "\n" not in name:
                yield name


def is_patch(data: Any) -> bool:
    """Whether a document has a directive of a strategic merge patch, which no object has."""
    if isinstance(data, dict):
        return "$patch" in data or any(map(is_patch, data.values()))
    return isinstance(data, list) and any(map(is_patch, data))


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


class Files(Protocol):
    """Files with their names and contents: a list, or what reads a file each time that it is asked for it."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[str, bytes]: ...


class _Files:
    """The files of an input, which are read one by one, so that only one of them is in memory.

    `names` has the name of each that lint reads, by its index; `referred` are those that objects of others may name.
    """

    def __init__(self, files: Files, versions: Versions, unnamed: Container[str]) -> None:
        self._files = files
        self._versions = versions
        self._patches: dict[str, str] = {}
        self.names: dict[int, str] = {}
        self.referred: list[int] = []
        for index in range(len(files)):
            name, raw = files[index]
            if name in unnamed and not _is_relevant(name, raw):
                continue
            self.names[index] = name
            if name.rpartition("/")[2] in _KUSTOMIZATIONS:
                self._patches = patches(_read(name, raw, versions).documents) | self._patches
            if may_be_referred_to(raw):
                self.referred.append(index)

    def read(self, index: int) -> _File:
        """Read a file, with a note in place of a patch of kustomize: a patch is not a whole object."""
        name, raw = self._files[index]
        return _patch(_read(name, raw, self._versions), self._patches.get(normpath(name)))

    def named(self, name: str) -> Iterator[Document]:
        """Read the documents of the files with a name."""
        for index, other in self.names.items():
            if other == name:
                yield from self.read(index).documents


def lint(files: Files, versions: Versions, unnamed: Container[str] = ()) -> tuple[Diagnostic, ...]:
    """The findings in files, each with its name and content; the files may refer to each other.

    One file is in memory at a time. `unnamed` are files from a directory on the command line, which may be unrelated.
    """
    read = _Files(files, versions, unnamed)
    around = scene(manifest for index in read.referred for manifest in read.read(index).objects)
    known = Input(OtherFiles(read.names.values(), read.named), Growing(), versions.trainer)
    found: dict[int, tuple[Diagnostic, ...]] = {}
    empty = []
    for index, name in read.names.items():
        file = read.read(index)
        runs = [_run(job) for job in jobs(file.objects, around)]
        around.mounted.add(volumes(file.objects))
        known.mounted.add(mounted(runs))
        empty += [name] if file.is_empty else []
        with suppress(IncompleteError):
            found[index] = tuple(_of_file(file, runs, known))
    around.mounted.complete = known.mounted.complete = True
    for index in [index for index in read.names if index not in found]:
        file = read.read(index)
        found[index] = tuple(_of_file(file, [_run(job) for job in jobs(file.objects, around)], known))
    reported = [name for name in empty if name not in unnamed] or (empty[:1] if len(empty) == len(read.names) else [])
    # Two trainings may name the same file.
    once = {(one.code, one.position, one.message): one for index in read.names for one in found[index]}
    return (*once.values(), *map(_irrelevant, reported))


# Kinds of objects that others name, and of TrainJobs, which name runtimes.
_REFERRED = rb"(?i:service|persistentvolumeclaim|configmap|queue|trainjob|(?:cluster)?trainingruntime)s?\b"
_KIND = re.compile(rb"kind[\"']?\s*(?:#.*\s*)*:")
# In double quotes, an escaped letter may follow.
_OTHER_KIND = re.compile(rb"kind[\"']?:[ \t]*(?:'?(?!%b)\w|\"(?!%b)\w+\")" % (_REFERRED, _REFERRED))
# The key as an alias of another scalar, or with escapes.
_ALIASED_KIND = re.compile(rb"&[\w-]+\s+(?:!\S*\s+)?[\"']?kind")
_ESCAPED_KIND = re.compile(rb"\"[kind]*(?:\\(?:[xuU][0-9A-Fa-f]{2,8}|\r?\n[ \t]*)[kind]*)+\"")


def may_be_referred_to(raw: bytes) -> bool:
    """Whether a file may have an object that others name: each `kind` in it must show that it does not."""
    unclear = len(_KIND.findall(raw)) > len(_OTHER_KIND.findall(raw))
    return unclear or bool(_ALIASED_KIND.search(raw) or _ESCAPED_KIND.search(raw))


# Words in the JSON files of a training, and in JSON objects of Kubernetes.
_IN_JSON = re.compile(rb'"(?:zero_optimization|train_micro_batch_size_per_gpu|file_name|hf_hub_url|apiVersion)"')


def _is_relevant(name: str, raw: bytes) -> bool:
    """Whether to read an unnamed file; a repository has JSON files of many programs."""
    return not name.endswith(".json") or _IN_JSON.search(raw) is not None


def _irrelevant(name: str) -> Diagnostic:
    kinds = "contains no VolcanoJob, Job, JobSet, TrainJob or pod"
    return _note(Position(name, 1, 1), f"{kinds}, and no YAML for LLaMA-Factory's train or export")


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


_BY_SUBJECT: dict[type, list[Rule]] = {}
for _rule in ON_MANIFESTS:
    _BY_SUBJECT.setdefault(_rule.subject, []).append(_rule)
_CODES_ON_PODS = frozenset(rule.code for rule in GROUPS["pod"])


def _findings(file: _File, runs: list[Run], known: Input) -> Iterator[Diagnostic]:
    for subject, whole in _subjects(file, runs):
        for rule in _BY_SUBJECT.get(type(subject), ()):
            if whole or rule.code not in _CODES_ON_PODS:
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


def _subjects(file: _File, runs: list[Run]) -> Iterator[tuple[object, bool]]:
    """The subjects of rules, each with whether the whole pod is known."""
    for subject in (*file.configs, *file.objects, *of_config_maps(file.objects)):
        yield subject, True
    for run in runs:
        for subject in (run.job, *[Pod(run.job, crew) for crew in run.job.crews], *run.steps, run, *of_run(run)):
            yield subject, run.job.whole


def _of_training(read: Read) -> Iterator[Diagnostic]:
    """The findings of the rules on trainings, at the keys of the files."""
    rules = [rule for rule in ON_TRAININGS if isinstance(read.subject, rule.subject)]
    judged = (islice(judge((rule,), read.subject), _MAX_IN_ONE_PLACE) for rule in rules)
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


def _of_manifest(rule: Rule, subject: object) -> list[Diagnostic]:
    return [_diagnostic(rule, finding) for finding in reported(rule.check(subject), _MAX_IN_ONE_PLACE)]


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
