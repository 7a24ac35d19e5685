"""Every rule, by code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks import (
    batch_job,
    build,
    chip,
    collectives,
    contradictions,
    devices,
    elastic,
    fragments,
    gangs,
    images,
    launch,
    memory,
    objects,
    pod,
    precision,
    quantities,
    queues,
    rendezvous,
    resources,
    room,
    secrets,
    security,
    server,
    sharing,
    sources,
    start,
    storage,
    storage_kinds,
    timing,
    topology,
    trackers,
    trainer,
    variables,
    volumes,
    workers,
)
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Diagnostic, Related
from ftc.rules import training
from ftc.rules.engine import in_words, judge
from ftc.rules.training import from_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ftc.compose import Composed
    from ftc.diagnostics.model import Severity
    from ftc.plan.types import RunPlan
    from ftc.rules.rule import Rule as TrainingRule
    from ftc.spec.job import JobSpec

# What is wrong with the fragments keeps the later rules from reading them.
STAGES = (fragments.RULES, fragments.RULES_OF_CONTAINERS)
FIRST = tuple(rule for rules in STAGES for rule in rules)
CHECKS = (
    *FIRST,
    *launch.RULES,
    *storage.RULES,
    *resources.RULES,
    *trainer.RULES,
    *pod.RULES,
    *batch_job.RULES,
    *gangs.RULES,
    *queues.RULES,
    *chip.RULES,
    *precision.RULES,
    *collectives.RULES,
    *contradictions.RULES,
    *devices.RULES,
    *elastic.RULES,
    *build.RULES,
    *images.RULES,
    *memory.RULES,
    *objects.RULES,
    *quantities.RULES,
    *rendezvous.RULES,
    *room.RULES,
    *secrets.RULES,
    *security.RULES,
    *server.RULES,
    *sharing.RULES,
    *sources.RULES,
    *start.RULES,
    *storage_kinds.RULES,
    *timing.RULES,
    *trackers.RULES,
    *topology.RULES,
    *variables.RULES,
    *volumes.RULES,
    *workers.RULES,
)


EVERY: tuple[Rule | TrainingRule, ...] = (*CHECKS, *training.OF_SPECS)


def check(spec: JobSpec, run: RunPlan, composed: Composed, targets: Collection[str]) -> tuple[Diagnostic, ...]:
    """What the rules find, for the targets that are emitted."""
    for shapes in STAGES:
        if found := tuple(_found(shapes, spec, run, composed)):
            return found
    rules = [rule for rule in CHECKS if rule.target in (None, *targets)]
    return (*_found(rules, spec, run, composed), *_of_trainings(spec, composed))


def _found(rules: Iterable[Rule], spec: JobSpec, run: RunPlan, composed: Composed) -> Iterator[Diagnostic]:
    for rule in rules:
        for found in rule.check(spec, run):
            yield _diagnostic(rule.code, rule.severity, found, composed)


def _of_trainings(spec: JobSpec, composed: Composed) -> Iterator[Diagnostic]:
    """What the rules on trainings find, at the keys of the spec and in its words."""
    for subject in from_spec.subjects(spec):
        for rule, found in judge(training.RULES, subject):
            here = Finding(
                from_spec.place(spec, subject, found.where),
                found.message,
                in_words(found.help, from_spec.say),
                tuple(from_spec.place(spec, subject, where) for where in found.related),
                at_key=found.at_key,
            )
            yield _diagnostic(rule.code, found.severity or rule.severity, here, composed)


def _diagnostic(code: str, severity: Severity, found: Finding, composed: Composed) -> Diagnostic:
    return Diagnostic(
        code=code,
        severity=severity,
        message=found.message,
        path=found.path,
        position=composed.position(found.path),
        help=found.help,
        related=tuple(_related(found, composed)),
        at_key=found.at_key,
    )


def _related(found: Finding, composed: Composed) -> Iterator[Related]:
    here = composed.position(found.path)
    for path in found.related:
        position = composed.position(path)
        if position is not None and position != here:
            yield Related(path, position)
