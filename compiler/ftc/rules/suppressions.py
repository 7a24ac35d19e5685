"""Remove suppressed findings, and check the suppressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics import codes
from ftc.diagnostics.codes import NO_RULE, SILENCES_NOTHING
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, Severity, nearest
from ftc.rules.catalogue import FIRST, OF_FILES, OF_SPECS, applies, meant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ftc.rules.check import Positions
    from ftc.rules.rule import Rule
    from ftc.spec.job import JobSpec

_RULES = {rule.code: rule for rule in (*OF_SPECS, *OF_FILES)}
_FIRST = {rule.code for rule in FIRST}


class Ignore(msgspec.Struct, frozen=True):
    """The code or name of a suppressed rule, and the key that suppresses it; empty for `--ignore`."""

    code: str
    path: KeyPath = ()
    position: Position | None = None


def ignores(spec: JobSpec, position: Positions, given: Sequence[str]) -> tuple[Ignore, ...]:
    """The suppressions of the spec and the command line."""
    paths = [(code, ("ignore", index)) for index, code in enumerate(spec.ignore)]
    return (*(Ignore(code, path, position(path)) for code, path in paths), *(Ignore(code) for code in given))


def silenced(
    found: Sequence[Diagnostic], ignored: Sequence[Ignore], targets: Collection[str]
) -> tuple[Diagnostic, ...]:
    """The findings without suppressed ones, and those on suppressions.

    A suppression may name a rule of a target that is not requested.
    """
    silent = {code for one in ignored if not problem(one.code) for code in meant(one.code)}
    kept = tuple(diagnostic for diagnostic in found if diagnostic.code not in silent)
    return (*kept, *_problems(ignored, {diagnostic.code for diagnostic in found}, targets))


def problem(code: str) -> str:
    """Why a rule cannot be ignored; empty if it can."""
    rules = _rules(code)
    if not rules and code[:4] != "FTC0" and code not in codes.NAMES.values():
        return f"rule {code} does not exist"
    return f"{code} cannot be silenced" if not rules or any(rule.needed for rule in rules) else ""


def _rules(code: str) -> list[Rule]:
    return [_RULES[one] for one in meant(code) if one in _RULES]


def advice(code: str) -> str:
    """The remedy for a suppression that is not valid."""
    if problem(code).startswith(code):
        return f"`ftc rule {code}` says why"
    return nearest(code, (*_RULES, *(rule.name for rule in _RULES.values()))) or "`ftc rule` lists the codes"


def _problems(ignored: Sequence[Ignore], found: set[str], targets: Collection[str]) -> Iterator[Diagnostic]:
    for one in ignored:
        wrong = problem(one.code)
        if wrong:
            yield _at(one, NO_RULE, wrong, advice(one.code))
        elif not found & {*meant(one.code), *_FIRST} and applies(_rules(one.code)[0], targets):
            unused = _at(one, SILENCES_NOTHING, f"{one.code} does not match a finding", "leave it out")
            yield msgspec.structs.replace(unused, severity=Severity.WARNING)


def _at(one: Ignore, code: str, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, path=one.path, position=one.position, help=help_)
