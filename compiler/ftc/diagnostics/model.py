"""Diagnostics: the problem, its place, and the remedy; findings that another one explains are left out."""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ftc.diagnostics import codes
from ftc.diagnostics.codes import NAMES
from ftc.patterns import lazily

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


KeyPath: TypeAlias = tuple[str | int, ...]


class Severity(StrEnum):
    """The weight of a diagnostic: an error stops the compile, a warning or a note does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Position(msgspec.Struct, frozen=True):
    """A place in a file, counted from 1, or an override (`source` is its text; line and column are 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else f"override '{self.source}'"


# The line breaks of YAML.
_BREAK = lazily("\r\n|[\n\r\x85\u2028\u2029]")


def lines_of(text: str) -> list[str]:
    """Split a text into the lines that YAML counts."""
    return _BREAK.split(text.removeprefix("\ufeff")) if text else []


class Related(msgspec.Struct, frozen=True):
    """Another key that a finding involves, and the place that set it."""

    path: KeyPath
    position: Position


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; `code` and `rule`, the name of its rule, are stable; `help` says what to do.

    An error of the command line or of the system, not of the configuration, is reported without a code. The passes
    before the rules leave `rule` empty; `name` is then the name of the code.

    `at_key` means that the key itself is wrong, not its value. `follows_from` is the key whose finding explains this
    one.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    path: KeyPath = ()
    position: Position | None = None
    help: str = ""
    related: tuple[Related, ...] = ()
    at_key: bool = False
    follows_from: KeyPath = ()
    rule: str = ""

    @property
    def name(self) -> str:
        """The name of the rule or of the code: `gang-exceeds-replicas`."""
        return self.rule or NAMES.get(self.code, "")

    @property
    def label(self) -> str:
        """Code and name: `FTC805 gang-exceeds-replicas`."""
        return f"{self.code} {self.name}".strip()


_TYPE_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def type_words(types: Iterable[str]) -> str:
    """Name JSON Schema's types in words."""
    return " or ".join(_TYPE_WORDS[name] for name in types)


def dotted(path: KeyPath) -> str:
    """Write a key path as people type it: `hardware.device.resource`, `launcher.args[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def did_you_mean(word: str, known: Iterable[str], command: str = "") -> str:
    """Write a help line: the nearest of the known words, and all of them if they are few.

    If there are many, it names the similar ones and the command that lists all.
    """
    names = sorted(set(known))
    near = nearest(word, names)
    if len(names) > _LONG_LIST:
        near = near or _asked(_similar(word, names))
        listed = f"`{command}` lists all" if command else ""
        return f"{near} {listed}".strip() or f"none of the {len(names)} known names is similar"
    listed = f"known: {', '.join(names)}" if names and (not near or len(names) <= _SHORT_LIST) else ""
    return f"{near} {listed}".strip()


def nearest(word: str, known: Iterable[str]) -> str:
    """Write a help line: the words that the user may have meant, if any are near.

    Words are near, in this order, if they differ in case, if their letters are in another order, if one extends the
    other by whole parts (a100 and a100-80gb, epochs and num_train_epochs), or if one is a misspelling.
    """
    names = sorted(set(known))
    folded = word.casefold().rpartition("/")[2] or word.casefold()
    found = [name for name in names if name.casefold() == folded]
    found = found or [name for name in names if sorted(name) == sorted(word)] or _with_parts(folded, names)
    found = found or get_close_matches(word, names, n=1, cutoff=0.7)
    return _asked(found)


def _asked(found: list[str]) -> str:
    if len(found) > 1:
        return f"did you mean one of {', '.join(found)}?"
    return f"did you mean '{found[0]}'?" if found else ""


def _similar(word: str, names: list[str]) -> list[str]:
    """A few names that begin like the word: another size of a model, another card of a vendor."""
    begun = [name for name in names if len(word) >= _STEM and name.casefold().startswith(word[:_STEM].casefold())]
    return get_close_matches(word, begun, n=_MOST_SIMILAR, cutoff=0)


def _with_parts(word: str, names: list[str]) -> list[str]:
    """The names that begin with a word, or else contain it, as whole parts; empty if there are too many."""
    part = rf"{re.escape(word)}(?![a-z0-9])"
    begun = [name for name in names if re.match(part, name.casefold())]
    found = begun or [name for name in names if re.search(rf"(?<![a-z0-9]){part}", name.casefold())]
    return found if word and len(found) <= _SHORT_LIST else []


_SHORT_LIST = 12
_LONG_LIST = 40
_MOST_SIMILAR = 5
_STEM = 3


def as_errors(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Apply --strict: a warning becomes an error that says why.

    A warning without a position, about an --ignore that matches nothing, stays a warning: one command line serves many
    runs.
    """
    return tuple(_as_error(d) if d.severity is Severity.WARNING and (d.path or d.position) else d for d in diagnostics)


def _as_error(diagnostic: Diagnostic) -> Diagnostic:
    message = f"{diagnostic.message} (a warning without --strict)"
    return msgspec.structs.replace(diagnostic, severity=Severity.ERROR, message=message)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any diagnostic stops the compile."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def warnings(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The warnings among some findings."""
    return tuple(d for d in diagnostics if d.severity is Severity.WARNING)


def by_finding(runs: Mapping[str, tuple[Diagnostic, ...]]) -> dict[Diagnostic, list[str]]:
    """The names of the runs that have each finding."""
    found: dict[Diagnostic, list[str]] = {}
    for name, diagnostics in runs.items():
        for one in dict.fromkeys(diagnostics):
            found.setdefault(one, []).append(name)
    return found


_MISSING = (codes.UNRESOLVED, codes.NO_VALUE, codes.REQUIRED, codes.NO_OPTIONS)


def without_follow_ups(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Return the findings that no other finding explains.

    An unknown key explains all findings below it. A file that cannot be read, a value that calls a resolver,
    or data that is too large explains every missing key and every unresolved reference.
    """
    found = {d.code for d in diagnostics}
    if codes.NO_OPTIONS in found:
        diagnostics = tuple(d for d in diagnostics if d.code != codes.REQUIRED)
    unknown = [d.path for d in diagnostics if d.code == codes.UNKNOWN_KEY]
    places = {d.path[:-1]: d.position for d in diagnostics if d.code == codes.UNKNOWN_KEY}
    called = {d.position for d in diagnostics if d.code == codes.RESOLVER}
    reported = {d.path for d in diagnostics} - {()}
    kept = tuple(d for d in diagnostics if d.follows_from not in reported and not _is_below(d.path, unknown))
    kept = tuple(d for d in kept if d.code == codes.RESOLVER or d.position not in called)
    explained = _MISSING if found & {codes.UNREADABLE, codes.RESOLVER, codes.TOO_LARGE} else ()
    return tuple(_missing_together((d for d in kept if d.code not in explained), places))


def _missing_together(
    diagnostics: Iterable[Diagnostic], places: Mapping[KeyPath, Position | None]
) -> Iterator[Diagnostic]:
    """Report the missing keys of a mapping with an unknown key in one finding, after that key.

    The unknown key may be one of them, misspelled; `places` holds the position of the last one in each mapping.
    """
    kept = list(diagnostics)
    missing: dict[KeyPath, list[str]] = {}
    for one in kept:
        if one.code == codes.REQUIRED and one.path[:-1] in places:
            missing.setdefault(one.path[:-1], []).append(str(one.path[-1]))
    for one in kept:
        keys = missing.get(one.path[:-1], []) if one.code == codes.REQUIRED else []
        if len(keys) > 1 and one.path[-1] == keys[0]:
            message = f"{one.message}, and so {'are' if len(keys) > 2 else 'is'} {', '.join(keys[1:])}"  # noqa: PLR2004
            help_ = "correct the unknown key first"
            yield msgspec.structs.replace(one, message=message, position=places[one.path[:-1]], help=help_)
        elif len(keys) <= 1:
            yield one


def _is_below(path: KeyPath, parents: list[KeyPath]) -> bool:
    return any(path[: len(parent)] == parent != path for parent in parents)


# The first findings of one kind are corrected, and the others cost seconds.
# Each unknown key is compared with all that are known.
MOST_KEYS = 20
# Of one rule: each finding has a position and a line of a file to be looked for.
MOST_FINDINGS = 50
MORE = "there are more findings like this one, which are not listed"


def first_keys(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """The unknown keys to report one by one, and the others."""
    found = list(keys)
    return found[:MOST_KEYS], found[MOST_KEYS:]


def and_others(keys: list[str]) -> str:
    """Report unknown keys, the first of which has the place, by their number."""
    return f"is not known, and {len(keys) - 1} more keys after it are not" if len(keys) > 1 else "is not known"
