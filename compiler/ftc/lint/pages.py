"""The pages of lint's codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics import page
from ftc.lint.rules import RULES

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page
    from ftc.lint.rule import Rule


def pages() -> dict[str, Page]:
    """Every code with its page, in the order of the codes; the examples are manifests."""
    return {rule.code: _of(rule) for rule in sorted(RULES, key=lambda rule: rule.code)}


def _of(rule: Rule) -> Page:
    written = page.read(rule.code, rule.check.__doc__ or "")
    return msgspec.structs.replace(written, severity=rule.severity, command="ftc lint")
