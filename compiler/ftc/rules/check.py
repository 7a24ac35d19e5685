"""The pass `check`: rules on a spec, its plan and its trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ftc.diagnostics.model import Diagnostic, KeyPath, Position, Related
from ftc.rules.catalogue import ON_ORIGINS, ON_SPECS, ON_TRAININGS, STAGES
from ftc.rules.engine import first, in_words, judge
from ftc.rules.rule import Finding
from ftc.rules.training import from_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ftc.diagnostics.model import Severity
    from ftc.plan.types import RunPlan
    from ftc.rules.origins import Origins
    from ftc.rules.rule import Rule
    from ftc.spec.job import JobSpec

Positions: TypeAlias = Callable[[KeyPath], Position | None]
"""Returns the position that set a key of the spec."""


def check(origins: Origins, run: RunPlan, targets: Collection[str]) -> tuple[Diagnostic, ...]:
    """The findings for the requested targets."""
    spec, position = origins.spec, origins.position
    for shapes in STAGES:
        if found := tuple(_found(shapes, spec, run, position)):
            return found
    rules = [rule for rule in ON_SPECS if rule.target in (None, *targets)]
    return (*_found(rules, spec, run, position), *_of_origins(origins, targets), *_of_trainings(spec, position))


def _found(rules: Iterable[Rule], spec: JobSpec, run: RunPlan, position: Positions) -> Iterator[Diagnostic]:
    for rule in rules:
        for found in first(rule.check(spec, run)):
            yield _diagnostic(rule, rule.severity, found, position)


def _of_origins(origins: Origins, targets: Collection[str]) -> Iterator[Diagnostic]:
    for rule in [rule for rule in ON_ORIGINS if rule.target in (None, *targets)]:
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
