"""Every rule, by code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks import (
    batch_job,
    build,
    chip,
    collectives,
    contradictions,
    datasets,
    devices,
    elastic,
    engines,
    evaluation,
    fragments,
    gangs,
    images,
    launch,
    memory,
    methods,
    objects,
    optimizers,
    pod,
    precision,
    quantities,
    queues,
    ranges,
    reading,
    rendezvous,
    resources,
    resuming,
    room,
    secrets,
    security,
    server,
    sharding,
    sharing,
    sources,
    start,
    storage,
    storage_kinds,
    templates,
    timing,
    topology,
    trackers,
    trainer,
    unread,
    variables,
    volumes,
    workers,
)
from ftc.diagnostics.model import Diagnostic, Related

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ftc.checks.rule import Finding, Rule
    from ftc.compose import Composed
    from ftc.plan.types import RunPlan
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
    *datasets.RULES,
    *devices.RULES,
    *elastic.RULES,
    *engines.RULES,
    *evaluation.RULES,
    *build.RULES,
    *images.RULES,
    *memory.RULES,
    *methods.RULES,
    *objects.RULES,
    *optimizers.RULES,
    *quantities.RULES,
    *ranges.RULES,
    *reading.RULES,
    *rendezvous.RULES,
    *resuming.RULES,
    *room.RULES,
    *secrets.RULES,
    *security.RULES,
    *server.RULES,
    *sharding.RULES,
    *sharing.RULES,
    *sources.RULES,
    *start.RULES,
    *storage_kinds.RULES,
    *templates.RULES,
    *timing.RULES,
    *trackers.RULES,
    *topology.RULES,
    *unread.RULES,
    *variables.RULES,
    *volumes.RULES,
    *workers.RULES,
)


def check(spec: JobSpec, run: RunPlan, composed: Composed, targets: Collection[str]) -> tuple[Diagnostic, ...]:
    """What the rules find, for the targets that are emitted."""
    for rules in STAGES:
        if found := tuple(_found(rules, spec, run, composed)):
            return found
    return tuple(_found([rule for rule in CHECKS if rule.target in (None, *targets)], spec, run, composed))


def _found(rules: Iterable[Rule], spec: JobSpec, run: RunPlan, composed: Composed) -> Iterator[Diagnostic]:
    for rule in rules:
        for found in rule.check(spec, run):
            yield Diagnostic(
                code=rule.code,
                severity=rule.severity,
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
