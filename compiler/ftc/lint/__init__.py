"""Jobs that people already have, judged as they stand: VolcanoJobs, batch Jobs and LLaMA-Factory's YAML."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position, Related, Severity
from ftc.lint.build import jobs, scene
from ftc.lint.configs import Config, of_config_maps, of_documents, of_run
from ftc.lint.fitting import objects
from ftc.lint.objects import Object, Versions
from ftc.lint.rules import RULES
from ftc.lint.steps import Run, steps
from ftc.lint.subjects import Pod, Scene
from ftc.source import documents

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from ftc.lint.rule import Rule

__all__ = ["Versions", "lint"]

# Who has made one mistake more often than this in one place, or so many in one file, knows it by now.
_MOST_IN_ONE_PLACE = 20
_MOST_IN_ONE_FILE = 1_000
# What stands where YAML has a value or a line, in a template of Helm or Jinja.
_TEMPLATE = re.compile(rb"^\s*(?:-\s+)?(?:[\w./-]+:\s+)?(?:\{\{|\{%)", re.MULTILINE)


class _File(msgspec.Struct, frozen=True):
    """A file with what it holds, and what reading it found."""

    name: str
    objects: tuple[Object, ...]
    configs: tuple[Config, ...]
    problems: tuple[Diagnostic, ...]


def lint(files: Iterable[tuple[str, bytes]], versions: Versions, beside: Container[str] = ()) -> tuple[Diagnostic, ...]:
    """What is wrong with the manifests in these files, each given by name and content; they may refer to each other.

    `beside` are the files that nobody named, and that may hold anything else.
    """
    read = [_read(name, raw, versions) for name, raw in files]
    around = scene(manifest for file in read for manifest in file.objects)
    empty = [file.name for file in read if not (file.objects or file.configs or file.problems)]
    told = [name for name in empty if name not in beside] or (empty[:1] if len(empty) == len(read) else [])
    return (*(found for file in read for found in _of_file(file, around)), *map(_nothing_in, told))


def _nothing_in(name: str) -> Diagnostic:
    return _note(Position(name, 1, 1), "has no VolcanoJob, Job or pod, and no YAML for LLaMA-Factory's train or export")


def _note(position: Position, message: str, help_: str = "") -> Diagnostic:
    return Diagnostic(code=UNREADABLE, severity=Severity.NOTE, message=message, position=position, help=help_)


def _read(name: str, raw: bytes, versions: Versions) -> _File:
    found, problems = documents(raw, name)
    if problems and (template := _TEMPLATE.search(raw)):
        place = Position(name, raw.count(b"\n", 0, template.end()) + 1, 1)
        problem = _note(place, "is a template, and not judged", "render it first: helm template … | ftc lint -")
        return _File(name, (), (), (problem,))
    manifests = tuple(manifest for document in found for manifest in objects(document, versions))
    return _File(name, manifests, tuple(of_documents(found)), problems)


def _of_file(file: _File, around: Scene) -> Iterator[Diagnostic]:
    judged = islice(_judged(file, around), _MOST_IN_ONE_FILE)
    # Two pods of one YAML anchor are wrong in one place.
    found = [*file.problems, *{(one.code, one.position, one.message): one for one in judged}.values()]
    yield from found
    if len(found) >= _MOST_IN_ONE_FILE:
        yield _note(
            Position(file.name, 1, 1), f"has more to say of than {_MOST_IN_ONE_FILE} findings; the rest is left out"
        )


def _judged(file: _File, around: Scene) -> Iterator[Diagnostic]:
    rules: dict[type, list[Rule]] = {}
    for rule in RULES:
        rules.setdefault(rule.subject, []).append(rule)
    for subject in _subjects(file, around):
        for rule in rules.get(type(subject), ()):
            yield from islice(_found(rule, subject), _MOST_IN_ONE_PLACE)


def _subjects(file: _File, around: Scene) -> Iterator[object]:
    yield from file.configs
    yield from file.objects
    yield from of_config_maps(file.objects)
    for job in jobs(file.objects, around):
        pods = [Pod(job, crew) for crew in job.crews]
        made = tuple(step for pod in pods for step in steps(pod))
        run = Run(job, made)
        yield from (job, *pods, *made, run, *of_run(run))


def _found(rule: Rule, subject: object) -> Iterator[Diagnostic]:
    for finding in rule.check(subject):
        yield Diagnostic(
            code=rule.code,
            severity=finding.severity or rule.severity,
            message=finding.message,
            path=finding.where.path,
            position=finding.where.position(),
            help=finding.help,
            related=tuple(Related(spot.path, spot.position()) for spot in finding.related),
        )
