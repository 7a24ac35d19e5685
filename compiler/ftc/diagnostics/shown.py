"""Prepare diagnostics for printing: sort by position, drop duplicates, redact secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Diagnostic, Position, dotted
from ftc.diagnostics.printable import STARS, could_be_a_secret, names_a_secret, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diagnostics.model import KeyPath

# Longer than any message of ftc; only a long value that is repeated in a message exceeds it.
_LONGEST = 600
# The search for secrets is limited to so many characters; a text of a megabyte would take minutes.
SEARCHED = 8000


def shown(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the diagnostics, ready for any format."""
    return tuple(dict.fromkeys(_without_secrets(d) for d in sorted(diagnostics, key=_order)))


def _order(diagnostic: Diagnostic) -> tuple[int, str, int, int]:
    """Files by name and line, then overrides in the order of the command line (sorting is stable)."""
    position = diagnostic.position or Position("")
    if not position.line:
        return (1, "", 0, 0)
    return (0, position.source, position.line, position.column)


def _without_secrets(diagnostic: Diagnostic) -> Diagnostic:
    message = _redacted(diagnostic.message)
    if holds_a_secret(diagnostic.path):
        # The key itself is not a secret.
        message = _QUOTED.sub(lambda one: one[0] if one["value"] in diagnostic.path else _starred(one), message)
    return msgspec.structs.replace(
        diagnostic,
        message=_cut(message, _LONGEST),
        help=_redacted(diagnostic.help),
        path=_short(diagnostic.path),
        position=diagnostic.position and _position(diagnostic.position, diagnostic.path),
        related=tuple(
            msgspec.structs.replace(one, path=_short(one.path), position=_position(one.position, one.path))
            for one in diagnostic.related
        ),
        follows_from=(),
    )


def _position(position: Position, path: KeyPath) -> Position:
    if position.line:
        return position
    key, equals, value = position.source.partition("=")
    if holds_a_secret(path) and key.lstrip("+") == dotted(path) and is_secret(value):
        return Position(f"{key}{equals}{STARS}")
    return Position(_redacted(position.source))


def _redacted(text: str) -> str:
    """Redact a text, cut far beyond the length that is printed."""
    return redacted(_cut(text, SEARCHED))


def _short(path: KeyPath) -> KeyPath:
    return tuple(_cut(part, _LONGEST) if isinstance(part, str) else part for part in path)


def holds_a_secret(path: KeyPath) -> bool:
    """Whether the value at a key is a secret, or a reference that people mistake for the secret itself."""
    names = [part for part in path if isinstance(part, str)]
    return names[-1:] in _REFERENCES or any(names_a_secret(name) for name in names)


_REFERENCES = (["token"], ["credentials"], ["git_credentials"])


def is_secret(value: str) -> bool:
    """Whether the value of such a key is more than a switch, a path or a reference; a collection may hold anything."""
    return could_be_a_secret(value) or value[:1] in ("[", "{") or ("${" in value and "," in value)


_QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*?)(?P<end>(?P=quote)|…|$)""", re.DOTALL)


def _starred(found: re.Match[str]) -> str:
    return f"{found['quote']}{STARS}{found['end']}" if is_secret(found["value"]) else found[0]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
