"""A rule and two configurations: one that it reports, and the nearest valid one."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS
from unit.compiling import found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.rules.rule import Rule

RULES = {rule.code: rule for rule in OF_SPECS}


Words: TypeAlias = str | tuple[str, ...]


class Pair(NamedTuple):
    """`wrong` and `right` are the words after `ftc compile`, or one text of them; `key` is the path of the finding."""

    code: str
    wrong: Words
    right: Words
    key: str

    def __str__(self) -> str:
        return f"{self.code} {' '.join(split(self.wrong))[:60]}"


def split(words: Words) -> list[str]:
    """The words, split as a shell does."""
    return shlex.split(words) if isinstance(words, str) else list(words)


def refuses(pair: Pair) -> None:
    """The rule reports the key with a position, a one-line message and a help."""
    rule = RULES[pair.code]
    everything = found(*split(pair.wrong), targets=(rule.targets or ("volcano",))[:1])
    reported = [d for d in everything if d.code == pair.code]
    assert reported, everything
    for diagnostic in reported:
        assert ".".join(map(str, diagnostic.path)).startswith(pair.key), diagnostic.path
        assert diagnostic.position is not None
        assert diagnostic.help
        assert "\n" not in diagnostic.message + diagnostic.help
        assert diagnostic.severity is rule.severity


def passes(pair: Pair) -> None:
    """The right configuration passes the rule and all others that report errors."""
    findings = found(*split(pair.right), targets=(RULES[pair.code].targets or ("volcano",))[:1])
    assert pair.code not in {d.code for d in findings}, findings
    assert [d for d in findings if d.severity is Severity.ERROR] == []


def pages(pairs: Iterable[Pair]) -> list[Pair]:
    """The examples on the pages of the rules in these pairs."""
    return [page(RULES[code]) for code in dict.fromkeys(pair.code for pair in pairs)]


def page(rule: Rule) -> Pair:
    wrong, right = (rule.check.__doc__ or "").partition("Wrong: ")[2].split("Right: ")
    wrong, right = (" ".join(words.split()).removeprefix(f"-t {(*rule.targets, '')[0]} ") for words in (wrong, right))
    return Pair(rule.code, wrong, right, "")
