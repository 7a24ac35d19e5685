"""Rules: functions from a subject to findings, and how they are applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.diagnostics.model import MORE, MOST_FINDINGS, Severity
from ftc.source.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator


Remedy: TypeAlias = str | dict[str, Any]
"""Text, or arguments to set. None removes an argument, ANY is a placeholder for the user's value."""
ANY = "…"


class Finding(msgspec.Struct, frozen=True):
    """The place that is wrong, the message, the help, and related places.

    A place is a key path of the spec, a key path of the subject, or a `Spot` of a manifest; the front end that created
    the subject resolves it. A help is one `Remedy` or a tuple of alternatives. `severity` overrides that of the rule.
    `at_key` says that the key is wrong, whatever its value.
    """

    where: Any
    message: str
    help: Any = ""
    related: tuple[Any, ...] = ()
    at_key: bool = False
    severity: Severity | None = None


Check: TypeAlias = Callable[..., Iterable[Finding]]
"""Takes a subject; a rule on specs takes the spec and its plan."""


class Rule(msgspec.Struct, frozen=True, eq=False):
    """A check with its stable code, its name and the type of its subject; each is one object.

    `target` restricts it to one target or to several. A `needed` rule cannot be suppressed: without it the manifest
    would be wrong on any cluster. `in_manifests` is the check of the same fact in a manifest, with its subject.
    """

    code: str
    name: str
    check: Check
    subject: type
    severity: Severity = Severity.ERROR
    target: str | tuple[str, ...] | None = None
    needed: bool = False
    in_manifests: tuple[Check, type] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that it is restricted to; empty for a rule on any target."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()

    def for_manifests(self) -> Iterator[Rule]:
        """The rule that lint applies, if the fact is in manifests too."""
        if self.in_manifests is not None:
            check, subject = self.in_manifests
            yield msgspec.structs.replace(self, check=check, subject=subject)


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


def reported(findings: Iterable[Finding], most: int = MOST_FINDINGS) -> list[Finding]:
    """The same as a list: nearly all rules find nothing, and need no iterator around theirs."""
    found = list(islice(findings, most + 1))
    return list(first(found, most)) if found else found


def in_words(help_: Remedy | tuple[Remedy, ...], say: Callable[[dict[str, Any]], str]) -> str:
    """The alternative remedies of a finding as text; a front end may have no words for one of them."""
    remedies = help_ if isinstance(help_, tuple) else (help_,)
    said = [words for one in remedies if (words := one if isinstance(one, str) else say(one))]
    verbs = {words.partition(" ")[0] for words in said}
    if len(said) > 1 and len(verbs) == 1:
        return " or ".join([said[0], *(words.partition(" ")[2] for words in said[1:])])
    return ", or ".join(said)
