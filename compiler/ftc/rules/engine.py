"""Apply rules to a subject, and format remedies for a front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.many import MORE, MOST_FINDINGS
from ftc.source.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ftc.rules.rule import Finding, Remedy, Rule


def judge(rules: Iterable[Rule], subject: object) -> Iterator[tuple[Rule, Finding]]:
    """The findings of the rules for this type of subject."""
    for rule in rules:
        if isinstance(subject, rule.subject):
            yield from ((rule, finding) for finding in _found(rule, subject))


def _found(rule: Rule, subject: object) -> Iterator[Finding]:
    """The findings of a rule until it reads an unknown value."""
    try:
        yield from first(rule.check(subject))
    except Unknown:
        return


def first(findings: Iterable[Finding], most: int = MOST_FINDINGS) -> Iterator[Finding]:
    """What is reported of the findings of a rule; the place of the next one says that there are more."""
    for index, finding in enumerate(findings):
        if index == most:
            yield msgspec.structs.replace(finding, message=MORE, help="", related=())
            return
        yield finding


def in_words(help_: Remedy | tuple[Remedy, ...], say: Callable[[dict[str, Any]], str]) -> str:
    """The alternative remedies of a finding as text; a front end may have no words for one of them."""
    remedies = help_ if isinstance(help_, tuple) else (help_,)
    said = [words for one in remedies if (words := one if isinstance(one, str) else say(one))]
    verbs = {words.partition(" ")[0] for words in said}
    if len(said) > 1 and len(verbs) == 1:
        return " or ".join([said[0], *(words.partition(" ")[2] for words in said[1:])])
    return ", or ".join(said)
