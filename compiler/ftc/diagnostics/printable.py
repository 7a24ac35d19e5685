"""Texts of others as a terminal may show them."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

_TAB = "    "


class Cell(NamedTuple):
    """One character as it is shown, and the columns that it takes."""

    text: str
    width: int


def escaped(text: str) -> str:
    r"""The text with what would move a cursor, colour a terminal or hide itself written out: `\x1b`, `\u202e`."""
    return text if text.isprintable() else "".join(_shown(letter) for letter in text)


def cells(line: str) -> list[Cell]:
    """A source line, character by character; a tab takes four columns, a Chinese character two."""
    return [Cell(_TAB, len(_TAB)) if letter == "\t" else _cell(_shown(letter)) for letter in line]


def _cell(shown: str) -> Cell:
    return Cell(shown, sum(_columns(letter) for letter in shown))


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
