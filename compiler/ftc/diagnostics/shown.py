"""Diagnostics as they may be shown: in the order of their positions, each once, without secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Diagnostic, Position, dotted
from ftc.diagnostics.redact import could_be_a_secret, names_a_secret, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diagnostics.model import KeyPath

# Longer than any message of ftc; what is longer repeats a value that nobody reads to its end.
_LONGEST = 600
STARS = "***"


def shown(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics, ready for any format."""
    return tuple(dict.fromkeys(_without_secrets(d) for d in sorted(diagnostics, key=_order)))


def _order(diagnostic: Diagnostic) -> tuple[int, str, int, int]:
    """Files by name and line, then overrides as they stand on the command line (sorting is stable)."""
    position = diagnostic.position or Position("")
    if not position.line:
        return (1, "", 0, 0)
    return (0, position.source, position.line, position.column)


def _without_secrets(diagnostic: Diagnostic) -> Diagnostic:
    message, help_ = redacted(diagnostic.message), redacted(diagnostic.help)
    if holds_a_secret(diagnostic.path):
        message = _QUOTED.sub(_starred, message)
    return msgspec.structs.replace(
        diagnostic,
        message=_cut(message),
        help=help_,
        position=diagnostic.position and _position(diagnostic.position, diagnostic.path),
        related=tuple(
            msgspec.structs.replace(one, position=_position(one.position, one.path)) for one in diagnostic.related
        ),
        follows_from=(),
    )


def _position(position: Position, path: KeyPath) -> Position:
    if position.line:
        return position
    key, equals, value = position.source.partition("=")
    if holds_a_secret(path) and key.lstrip("+") == dotted(path) and is_secret(value):
        return Position(f"{key}{equals}{STARS}")
    return Position(redacted(position.source))


def holds_a_secret(path: KeyPath) -> bool:
    """Whether the value at a key is a secret, or a reference that people take for the secret itself."""
    names = [part for part in path if isinstance(part, str)]
    return names[-1:] in _REFERENCES or any(names_a_secret(name) for name in names)


_REFERENCES = (["token"], ["credentials"], ["git_credentials"])


def is_secret(value: str) -> bool:
    """Whether the value of such a key is more than a switch, a path or a reference; a collection may hold anything."""
    return could_be_a_secret(value) or value[:1] in ("[", "{") or ("${" in value and "," in value)


_QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*?)(?P<end>(?P=quote)|…|$)""", re.DOTALL)


def _starred(found: re.Match[str]) -> str:
    return f"{found['quote']}{STARS}{found['end']}" if is_secret(found["value"]) else found[0]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
