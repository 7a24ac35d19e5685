"""Escape untrusted text for terminals and CI logs."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

_TAB = "    "
# Letters and marks that Python counts as printable but that show nothing (Unicode, Default_Ignorable_Code_Point; the
# Braille blank), so that two different names would look the same.
_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
# The runner of GitHub Actions takes `::name::` at the start of a line, and `##[name]` anywhere in it, for a command;
# Azure Pipelines takes `##vso[name]`. Source: actions/runner, src/Runner.Common/ActionCommand.cs.
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#[A-Za-z]*\[)")


def as_json(value: Any) -> str:
    """Write a value as JSON that any reader accepts, and in which no CI system finds a command.

    It is ASCII, so that no user's text reaches a terminal unescaped. YAML's infinity and bytes, which JSON cannot
    express, become strings.
    """
    return inert_json(json.dumps(_plain(value), indent=2, allow_nan=False))


def inert_json(text: str) -> str:
    """Escape what `inert` escapes in JSON; it can occur in strings only."""
    return _COMMAND.sub(r"\\u0023", text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    is_json = value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return value if is_json else str(value)


class Cell(NamedTuple):
    """One character as it is shown, and its width in columns."""

    text: str
    width: int


def escaped(text: str) -> str:
    r"""Escape what would move a cursor, colour a terminal or be invisible: `\x1b`, `\u202e`."""
    if text.isprintable() and not _HIDDEN.search(text):
        return text
    return "".join(_shown(letter) for letter in text)


def inert(line: str) -> str:
    r"""Escape what a CI log would take for a command: `\x3a:add-mask::`, `\x23#[error]`."""
    return _COMMAND.sub(lambda found: rf"{found[1] or ''}\x{'3a' if found[0].endswith(':') else '23'}", line)


def cells(line: str) -> list[Cell]:
    """Split a source line into characters; a tab takes four columns, a Chinese character two."""
    return [Cell(_TAB, len(_TAB)) if letter == "\t" else _cell(_shown(letter)) for letter in line]


@lru_cache(maxsize=1024)
def _cell(shown: str) -> Cell:
    return Cell(shown, sum(_columns(letter) for letter in shown))


def _shown(letter: str) -> str:
    if (letter.isprintable() and letter not in _INVISIBLE) or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
