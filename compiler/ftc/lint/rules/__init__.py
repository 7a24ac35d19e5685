"""Every rule of lint, by what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.lint.rules import (
    accelerate,
    arguments,
    batch,
    counts,
    deepspeed,
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
    *deepspeed.RULES,
    *scripts.RULES,
    *repeats.RULES,
    *secrets.RULES,
)
