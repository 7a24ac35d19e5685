"""The pages of all codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc import docstrings
from ftc.checks import EVERY
from ftc.diagnostics import codes, page
from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from ftc.checks.rule import Rule
    from ftc.diagnostics.page import Page
    from ftc.rules.rule import Rule as TrainingRule


def pages() -> dict[str, Page]:
    """Every code with its page, in the order of the codes."""
    found = [_before_rules(code, text) for code, text in codes.TEXTS.items()] + [_of(rule) for rule in EVERY]
    return {one.code: one for one in sorted(found, key=lambda one: one.code)}


def _before_rules(code: str, text: str) -> Page:
    severity = Severity.WARNING if code == codes.SILENCES_NOTHING else Severity.ERROR
    return msgspec.structs.replace(page.read(code, text), severity=severity, silenceable=False)


def _of(rule: Rule | TrainingRule) -> Page:
    written = page.read(rule.code, docstrings.of(rule.check))
    return msgspec.structs.replace(
        written,
        wrong=_for_target(rule, written.wrong),
        right=_for_target(rule, written.right),
        severity=rule.severity,
        target=rule.target,
        silenceable=not rule.needed,
    )


def _for_target(rule: Rule | TrainingRule, example: str | None) -> str | None:
    """The example with the target that the rule is for, where it names none."""
    if example is None or rule.target in (None, "volcano") or example.startswith("-t "):
        return example
    return f"-t {rule.target} {example}".rstrip()
