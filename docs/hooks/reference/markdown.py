"""Pieces of Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def page(title: str, *parts: str) -> str:
    """A page with its title; empty parts are left out."""
    return "\n\n".join((f"# {title}", *(part.strip("\n") for part in parts if part.strip()))) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a cell is one line."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def fence(text: str, language: str = "text") -> str:
    """A block of text as it is."""
    longest = max((len(found) for found in re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def code(text: str) -> str:
    """Text in the font of code."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def folded(title: str, block: str) -> str:
    """A block that the reader opens."""
    inner = "\n".join(f"    {line}".rstrip() for line in block.splitlines())
    return f'??? note "{title}"\n\n{inner}'


def prose(text: str) -> str:
    """Plain text as Markdown: what looks like HTML, emphasis or a placeholder stays as it is written."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*") for part in parts)
