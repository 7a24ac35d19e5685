"""Diagnostics as lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ftc.diagnostics.excerpt import Excerpt, of_file, of_override
from ftc.diagnostics.model import Diagnostic, Position, dotted
from ftc.diagnostics.printable import escaped, inert
from ftc.diagnostics.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Lines: TypeAlias = Callable[[str], Sequence[str]]
"""The lines of the source that a position names; empty if it cannot be read."""
Paint: TypeAlias = Callable[[str, str], str]
"""Colour a text for a severity, or for `gutter` or `help`."""
# A longer override is cut in the first line; the excerpt shows the part that matters.
_LONGEST = 200


def render(diagnostics: Iterable[Diagnostic], lines: Lines = lambda _: (), paint: Paint = lambda text, _: text) -> str:
    """Write each finding: the problem, its source line, related keys, and help."""
    return "".join(f"{inert(line)}\n" for diagnostic in shown(diagnostics) for line in _lines(diagnostic, lines, paint))


def _lines(diagnostic: Diagnostic, lines: Lines, paint: Paint) -> Iterator[str]:
    severity, position = diagnostic.severity.value, diagnostic.position
    what = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    tag = paint(f"{severity}[{diagnostic.label}]", severity)
    yield f"{_where(position)}{tag}: {escaped(f'{what}{diagnostic.message}')}"
    if position and position.line:
        yield from _framed(of_file(position, diagnostic.path, lines(position.source)), position, paint, severity)
    elif position:
        yield from _framed(of_override(position, diagnostic.path, at_key=diagnostic.at_key), position, paint, severity)
    for other in diagnostic.related:
        yield f"  {paint('note', 'note')}: {_where(other.position)}{escaped(dotted(other.path))} is set here"
        if other.position.line:
            found = of_file(other.position, other.path, lines(other.position.source))
            yield from _framed(found, other.position, paint, "note")
    if diagnostic.help:
        yield f"  {paint('help', 'help')}: {escaped(diagnostic.help)}"


def _framed(excerpt: Excerpt | None, position: Position, paint: Paint, role: str) -> Iterator[str]:
    if excerpt is not None:
        number = str(position.line or "")
        yield paint(f"  {number} |", "gutter") + f" {excerpt.line}"
        yield paint(f"  {' ' * len(number)} |", "gutter") + f" {paint(excerpt.carets, role)}"


def _where(position: Position | None) -> str:
    if position is None:
        return ""
    cut = position.source if len(position.source) <= _LONGEST else f"{position.source[: _LONGEST - 1]}…"
    return f"{Position(escaped(cut), position.line, position.column)}: "
