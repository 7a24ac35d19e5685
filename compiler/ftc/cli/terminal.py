"""The terminal of the user: its width, its colours, and rows that fit it."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

import click

from ftc.diagnostics.columns import folded, padded, width
from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = 2
_NARROW = 40
_INDENT = "    "
_STYLES: dict[str, dict[str, str | bool]] = {
    "name": {"bold": True},
    "label": {"fg": "cyan"},
    "error": {"fg": "red"},
    "warning": {"fg": "yellow"},
    "note": {"fg": "cyan"},
}


def columns() -> int | None:
    """The width for stdout: COLUMNS, or that of the terminal; None for a file or a pipe, whose lines stay whole."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def has_colour(stream: IO[str]) -> bool:
    """Whether a stream gets colour (no-color.org, force-color.org); NO_COLOR wins."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR", "")
    return forced not in ("", "0") or (stream.isatty() and os.environ.get("TERM") != "dumb")


def styled(text: str, role: str) -> str:
    """A text in the style of a role, unchanged if the role is unknown."""
    return click.style(text, **_STYLES.get(role, {}))  # type: ignore[arg-type] # the values of one option have one type


def plain(text: str, _: str) -> str:
    """A text without a style."""
    return text


def show(lines: Iterable[str]) -> None:
    """Print lines to stdout, with the styles that they have."""
    click.echo("".join(f"{line}\n" for line in lines), nl=False, color=has_colour(sys.stdout))


def rows(cells: Sequence[tuple[str, ...]], roles: Sequence[str], indent: str = "") -> Iterator[str]:
    """Align rows in columns; the last one is folded, or is below the others in every row if it would be narrow.

    `roles` are the styles of the columns; a role that is not a style is the number of the column whose text is one.
    """
    paint = styled if has_colour(sys.stdout) else plain
    clean = [tuple(inert(escaped(cell)) for cell in row) for row in cells]
    widths = [max(width(cell) for cell in column) for column in list(zip(*clean, strict=True))[:-1]]
    before = len(indent) + sum(widths) + _GAP * len(widths)
    most = columns()
    fits = most is None or all(before + width(row[-1]) <= most for row in clean)
    below = not fits and most is not None and most - before < _NARROW
    for row in clean:
        styles = [row[int(role)] if role.isdecimal() else role for role in roles]
        head = [paint(padded(cell, wide), style) for cell, wide, style in zip(row, widths, styles, strict=False)]
        first, indented = ("", _INDENT) if below else (f"{indent}{'  '.join(head)}  ", " " * before)
        if below:
            yield f"{indent}{'  '.join(head)}".rstrip()
        lines = [row[-1]] if most is None else folded(row[-1], max(most - len(indented), _NARROW))
        for number, line in enumerate(lines):
            yield f"{indented if number or below else first}{line}".rstrip()
