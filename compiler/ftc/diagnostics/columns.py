"""Text in the columns of a terminal, in which a Chinese character takes two."""

from __future__ import annotations

import re

from ftc.diagnostics.printable import cells

_WORDS = re.compile(r"( *)([^ ]+)")


def width(text: str) -> int:
    """The columns that a text takes."""
    return len(text) if text.isascii() else sum(cell.width for cell in cells(text))


def padded(text: str, columns: int) -> str:
    """Fill up a text with spaces."""
    return text + " " * (columns - width(text))


def folded(text: str, columns: int, indent: str = "") -> list[str]:
    """Break a line between words, or inside a word of wide letters.

    Any other word stays whole, even if it is longer than a line, because an image or a path is copied as one word.
    """
    lines = [""]
    for gap, word in _WORDS.findall(text):
        before, rest = gap, word
        while rest:
            room = columns - width(lines[-1]) - len(before)
            narrow, empty = width(rest) == len(rest), lines[-1] in ("", indent)
            if width(rest) <= room or (narrow and empty):
                part = rest
            elif not empty and (narrow or room < 2):  # noqa: PLR2004 - one wide letter
                part = ""
            else:
                part = _begin(rest, room)
            lines[-1] += before + part if part else ""
            rest = rest[len(part) :]
            if rest:
                lines.append(indent)
                before = ""
    return lines


def _begin(word: str, columns: int) -> str:
    """The first letters of a word, at least one."""
    end = 1
    while end < len(word) and width(word[: end + 1]) <= columns:
        end += 1
    return word[:end]
