"""The pages of all codes."""

from __future__ import annotations

import json
from difflib import unified_diff
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from ftc import resources
from ftc.diagnostics import codes, page
from ftc.diagnostics.model import Severity
from ftc.resources import directory
from ftc.rules import data
from ftc.rules.catalogue import GROUPS, OF_FILES, OF_SPECS, ONLY_ON_MANIFESTS

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page
    from ftc.rules.rule import Rule

_LINT = "ftc lint"
BEFORE_RULES = "configuration"
"""The group of the codes for composition and the schema."""
ORDER = (BEFORE_RULES, *GROUPS, data.GROUP)
"""The order of the groups in `ftc rule`."""
_GROUPS = {rule.code: group for group, rules in GROUPS.items() for rule in rules}


def pages() -> dict[str, Page]:
    """The page of every code, sorted by code."""
    found = [*of_compile().values(), *(_of_lint(rule) for rule in (*ONLY_ON_MANIFESTS, *OF_FILES))]
    found += [_of_data(code, about) for code, about in data.ABOUT.items()]
    return {one.code: one for one in sorted(found, key=lambda one: one.code)}


def of_compile() -> dict[str, Page]:
    """The pages of the codes that compile reports; their examples are overrides."""
    found = [*(_before_rules(code, text) for code, text in codes.TEXTS.items()), *map(_of_spec, OF_SPECS)]
    return {one.code: one for one in sorted(found, key=lambda one: one.code)}


def _before_rules(code: str, text: str) -> Page:
    severity = Severity.WARNING if code == codes.SILENCES_NOTHING else Severity.ERROR
    written = page.read(code, text)
    return msgspec.structs.replace(
        written, name=codes.NAMES[code], group=BEFORE_RULES, severity=severity, silenceable=False
    )


def _written(rule: Rule) -> Page:
    bare = page.read(rule.code, resources.docstring(rule.check))
    return msgspec.structs.replace(bare, name=rule.name, group=_GROUPS[rule.code], severity=rule.severity)


def _of_spec(rule: Rule) -> Page:
    written = _written(rule)
    return msgspec.structs.replace(
        written,
        wrong=_for_target(rule, written.wrong),
        right=_for_target(rule, written.right),
        targets=rule.targets,
        silenceable=not rule.needed,
        in_manifests=rule.in_manifests is not None,
    )


def _of_data(code: str, about: data.About) -> Page:
    written = page.read(code, about.text)
    return msgspec.structs.replace(
        written, name=about.name, group=data.GROUP, severity=about.severity, silenceable=False
    )


def _for_target(rule: Rule, example: str | None) -> str | None:
    """The example with the first target of the rule, unless it names one."""
    if example is None or rule.targets[:1] in ((), ("volcano",)) or example.startswith("-t "):
        return example
    return f"-t {rule.targets[0]} {example}".rstrip()


def _of_lint(rule: Rule) -> Page:
    return msgspec.structs.replace(_written(rule), command=_LINT)


def with_example(page: Page) -> Page:
    """The page of a lint rule with its manifests: the wrong one, and the diff to the right one."""
    if page.command != _LINT or page.wrong is None or page.right is None:
        return page
    wrong, right = (_manifest(name) for name in (page.wrong, page.right))
    changed = [line for line in [*unified_diff(wrong, right, n=1, lineterm="")][2:] if not line.startswith("@@")]
    shown = ("Wrong:", "", *(f"    {line}" for line in wrong), "", "Right:", "", *(f"   {line}" for line in changed))
    example = "\n".join(line.rstrip() for line in shown)
    return msgspec.structs.replace(page, example=example)


def _manifest(name: str) -> list[str]:
    return _examples()[name].splitlines()


@cache
def _examples() -> dict[str, str]:
    found: dict[str, str] = json.loads((directory("schemas") / "rule_examples.json").read_text(encoding="utf-8"))
    return found
