"""The pages of lint's codes."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

import msgspec

from ftc import docstrings
from ftc.diagnostics import page
from ftc.lint.rules import RULES
from ftc.resources import directory
from ftc.rules import training

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page
    from ftc.lint.rule import Rule


_COMMAND = "ftc lint"


def pages() -> dict[str, Page]:
    """Every code with its page, in the order of the codes; the examples are manifests."""
    return {rule.code: _of(rule) for rule in sorted((*RULES, *training.OF_FILES), key=lambda rule: rule.code)}


def with_example(page: Page) -> Page:
    """The page of a rule of lint with its manifests: the wrong one, and where the right one differs."""
    if page.command != _COMMAND or page.wrong is None or page.right is None:
        return page
    wrong, right = (_manifest(name) for name in (page.wrong, page.right))
    changed = [line for line in [*unified_diff(wrong, right, n=1, lineterm="")][2:] if not line.startswith("@@")]
    shown = ("Wrong:", "", *(f"    {line}" for line in wrong), "", "Right:", "", *(f"   {line}" for line in changed))
    example = "\n".join(line.rstrip() for line in shown)
    return msgspec.structs.replace(page, example=example)


def _manifest(name: str) -> list[str]:
    return directory("tests").parent.joinpath(name).read_text(encoding="utf-8").splitlines()


def _of(rule: Rule) -> Page:
    written = page.read(rule.code, docstrings.of(rule.check))
    return msgspec.structs.replace(written, severity=rule.severity, command=_COMMAND)
