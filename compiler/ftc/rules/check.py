"""The pass `check`: rules on a spec, its plan and its trainings, and the suppression of findings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.diagnostics import codes
from ftc.diagnostics.codes import NO_RULE, SILENCES_NOTHING
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, Related, Severity, nearest
from ftc.rules.catalogue import (
    FIRST,
    OF_FILES,
    OF_SPECS,
    ON_OBJECTS,
    ON_ORIGINS,
    ON_PODS,
    ON_SPECS,
    ON_TRAININGS,
    STAGES,
    applies,
    meant,
)
from ftc.rules.given import environments
from ftc.rules.given import fragments as fragments_of
from ftc.rules.pod.sizes import Sent
from ftc.rules.rule import Finding, in_words, judge, reported
from ftc.rules.training import from_spec
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.rules.given import Origins
    from ftc.rules.rule import Rule
    from ftc.spec.job import JobSpec


Positions: TypeAlias = Callable[[KeyPath], Position | None]
"""Returns the position that set a key of the spec."""


def fragments(spec: JobSpec, run: RunPlan, position: Positions) -> tuple[Diagnostic, ...]:
    """The findings on the shape of the users' fragments; with any, the fragments are not merged."""
    for shapes in STAGES:
        if found := tuple(one for rule in shapes for one in _found(rule, spec, run, position)):
            return found
    return ()


def check(origins: Origins, run: RunPlan, pods: Mapping[str, BoundRun]) -> tuple[Diagnostic, ...]:
    """The findings for the requested targets; rules on pods and jobs judge the pod of each target."""
    spec, position = origins.spec, origins.position
    found = [one for rule in _of_specs(tuple(origins.targets)) for one in _once(rule, spec, run, pods, position)]
    return (*found, *_of_objects(spec, pods, position), *_of_origins(origins), *_of_trainings(spec, position))


@lru_cache(maxsize=32)
def _of_specs(targets: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules for some targets: every run of a matrix has the same."""
    return tuple(rule for rule in ON_SPECS if applies(rule, targets) and rule not in FIRST)


_CODES_ON_PODS = frozenset(rule.code for rule in ON_PODS)


def _once(
    rule: Rule, spec: JobSpec, run: RunPlan, pods: Mapping[str, BoundRun], position: Positions
) -> Iterator[Diagnostic]:
    """The findings of a rule, each once; a finding that not all targets have names those that have it."""
    if rule.targets:
        pods = {name: bound for name, bound in pods.items() if name in rule.targets}
    if rule.code not in _CODES_ON_PODS or not pods:
        yield from _found(rule, spec, run, position)
        return
    having: dict[Any, list[str]] = {}
    merged: dict[Any, Diagnostic] = {}
    for target, bound in pods.items():
        for one in _found(rule, spec, bound, position):
            key = (one.path, one.message, one.help)
            having.setdefault(key, []).append(target)
            merged.setdefault(key, one)
    for key, names in having.items():
        differs = len(names) < len(pods)
        message = f"{merged[key].message} (target {', '.join(names)})" if differs else merged[key].message
        yield msgspec.structs.replace(merged[key], message=message)


def _found(rule: Rule, spec: JobSpec, run: RunPlan, position: Positions) -> list[Diagnostic]:
    found = reported(rule.check(spec, run))
    return [_diagnostic(rule, one.severity or rule.severity, one, position) for one in found]


def _of_objects(spec: JobSpec, pods: Mapping[str, BoundRun], position: Positions) -> Iterator[Diagnostic]:
    """The findings on the objects of each target, at the largest value that users set in them."""
    for name, bound in pods.items():
        for data in POD_TARGETS[name].complete(bound):
            for rule, found in judge(ON_OBJECTS, Sent(data)):
                sizes = {path: len(str(value)) for path, value in (*environments(spec), *fragments_of(spec))}
                largest = max(sizes, key=lambda path: sizes[path])
                yield _diagnostic(rule, rule.severity, msgspec.structs.replace(found, where=largest), position)


def _of_origins(origins: Origins) -> Iterator[Diagnostic]:
    for rule in [rule for rule in ON_ORIGINS if applies(rule, origins.targets)]:
        for found in rule.check(origins):
            yield _diagnostic(rule, found.severity or rule.severity, found, origins.position)


def _of_trainings(spec: JobSpec, position: Positions) -> Iterator[Diagnostic]:
    """The findings on trainings, with keys and overrides of the spec."""
    for subject in from_spec.subjects(spec):
        for rule, found in judge(ON_TRAININGS, subject):
            here = Finding(
                from_spec.place(spec, subject, found.where),
                found.message,
                in_words(found.help, from_spec.say),
                tuple(from_spec.place(spec, subject, where) for where in found.related),
                at_key=found.at_key,
            )
            yield _diagnostic(rule, found.severity or rule.severity, here, position)


def _diagnostic(rule: Rule, severity: Severity, found: Finding, position: Positions) -> Diagnostic:
    return Diagnostic(
        code=rule.code,
        rule=rule.name,
        severity=severity,
        message=found.message,
        path=found.where,
        position=position(found.where),
        help=found.help,
        related=tuple(_related(found, position)),
        at_key=found.at_key,
    )


def _related(found: Finding, position: Positions) -> Iterator[Related]:
    here = position(found.where)
    for path in found.related:
        there = position(path)
        if there is not None and there != here:
            yield Related(path, there)


_RULES = {rule.code: rule for rule in (*OF_SPECS, *OF_FILES)}
_FIRST = {rule.code for rule in FIRST}


class Ignore(msgspec.Struct, frozen=True):
    """The code or name of a suppressed rule, and the key that suppresses it; empty for `--ignore`."""

    code: str
    path: KeyPath = ()
    position: Position | None = None


def ignores(spec: JobSpec, position: Positions, given: Sequence[str]) -> tuple[Ignore, ...]:
    """The suppressions of the spec and the command line."""
    paths = [(code, ("ignore", index)) for index, code in enumerate(spec.ignore)]
    return (*(Ignore(code, path, position(path)) for code, path in paths), *(Ignore(code) for code in given))


def silenced(
    found: Sequence[Diagnostic], ignored: Sequence[Ignore], targets: Collection[str]
) -> tuple[Diagnostic, ...]:
    """The findings without suppressed ones, and those on suppressions.

    A suppression may name a rule of a target that is not requested.
    """
    silent = {code for one in ignored if not suppression_problem(one.code) for code in meant(one.code)}
    kept = tuple(diagnostic for diagnostic in found if diagnostic.code not in silent)
    return (*kept, *_problems(ignored, {diagnostic.code for diagnostic in found}, targets))


def suppression_problem(code: str) -> str:
    """Why a rule cannot be ignored; empty if it can."""
    rules = _rules(code)
    if not rules and code[:4] != "FTC0" and code not in codes.NAMES.values():
        return f"rule {code} does not exist"
    return f"{code} cannot be silenced" if not rules or any(rule.needed for rule in rules) else ""


def _rules(code: str) -> list[Rule]:
    return [_RULES[one] for one in meant(code) if one in _RULES]


def suppression_advice(code: str) -> str:
    """The remedy for a suppression that is not valid."""
    if suppression_problem(code).startswith(code):
        return f"`ftc rule {code}` says why"
    return nearest(code, (*_RULES, *(rule.name for rule in _RULES.values()))) or "`ftc rule` lists the codes"


def _problems(ignored: Sequence[Ignore], found: set[str], targets: Collection[str]) -> Iterator[Diagnostic]:
    for one in ignored:
        wrong = suppression_problem(one.code)
        if wrong:
            yield _at(one, NO_RULE, wrong, suppression_advice(one.code))
        elif not found & {*meant(one.code), *_FIRST} and applies(_rules(one.code)[0], targets):
            unused = _at(one, SILENCES_NOTHING, f"{one.code} does not match a finding", "leave it out")
            yield msgspec.structs.replace(unused, severity=Severity.WARNING)


def _at(one: Ignore, code: str, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, path=one.path, position=one.position, help=help_)
