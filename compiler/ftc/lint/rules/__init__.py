"""Every rule of lint, by what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.lint.rules import (
    accelerate,
    arguments,
    batch,
    counts,
    gang,
    launches,
    lengths,
    libraries,
    meeting,
    mounts,
    named_files,
    names,
    options,
    overwritten,
    plugins,
    policies,
    references,
    repeats,
    resources,
    scripts,
    secrets,
    structure,
    training,
    variables,
    volumes,
)
from ftc.rules import training as trainings

if TYPE_CHECKING:
    from ftc.lint.rule import Rule

RULES: tuple[Rule, ...] = (
    *structure.RULES,
    *gang.RULES,
    *policies.RULES,
    *names.RULES,
    *plugins.RULES,
    *variables.RULES,
    *overwritten.RULES,
    *lengths.RULES,
    *launches.RULES,
    *options.RULES,
    *meeting.RULES,
    *counts.RULES,
    *mounts.RULES,
    *volumes.RULES,
    *references.RULES,
    *resources.RULES,
    *libraries.RULES,
    *batch.RULES,
    *arguments.RULES,
    *training.RULES,
    *named_files.RULES,
    *accelerate.RULES,
    *scripts.RULES,
    *repeats.RULES,
    *secrets.RULES,
)
CODES = frozenset(rule.code for rule in (*RULES, *trainings.RULES))
"""Every code that lint may report for a rule."""
