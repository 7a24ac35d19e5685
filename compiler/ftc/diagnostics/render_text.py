"""Diagnostics as lines for a terminal: below each, its source line with carets under the place."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ftc.diagnostics.model import Diagnostic, Position, dotted
from ftc.diagnostics.printable import STARS, Cell, cells, escaped, inert, names_a_secret, redacted
from ftc.diagnostics.shown import SEARCHED, holds_a_secret, is_secret, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.model import KeyPath


WIDTH = 100
_BEFORE = 40
_MORE = Cell("…", 1)
# A key or a value, with its quotes if it has any.
_WORD = re.compile(r""" "[^"]*" | '[^']*' | [^\s:=,{}\[\]]+ """, re.VERBOSE)
# No configuration contains this character; it marks the column while the secrets before it are shortened.
_MARK = "\ue000"


class Excerpt(NamedTuple):
    """A line, at most `WIDTH` columns wide, and the carets under it."""

    line: str
    carets: str


class _Span(NamedTuple):
    text: str
    start: int
    end: int


def of_file(position: Position, path: KeyPath, lines: Sequence[str]) -> Excerpt | None:
    """Excerpt the line of a file, if it exists."""
    if not 0 < position.line <= len(lines):
        return None
    line, before = lines[position.line - 1], lines[position.line - 2] if position.line > 1 else ""
    column = min(position.column - 1, len(line))
    first = max(0, column - SEARCHED // 2)
    text, start = _without_secrets(line[first : first + SEARCHED], column - first, before[:SEARCHED], path)
    word = _WORD.match(text, start)
    return _excerpt(_Span(text, start, word.end() if word else start + 1))


def of_override(position: Position, path: KeyPath, *, at_key: bool) -> Excerpt:
    """Excerpt an override, with carets under its value, or under the key if the finding is about the key."""
    text = position.source
    key, equals, value = text.partition("=")
    parts = [found.span() for found in re.finditer(r"[^.\[\]+~]+", key)]
    if at_key and equals and 0 < len(path) <= len(parts):
        return _excerpt(_Span(text, *parts[len(path) - 1]))
    begin = len(key) + 1 if equals and value else 0
    inner = _inside(value, path) if equals else None
    return _excerpt(_Span(text, begin + inner.start(), begin + inner.end()) if inner else _Span(text, begin, len(text)))


def _inside(value: str, path: KeyPath) -> re.Match[str] | None:
    """Find the key of a mapping in an override, if it occurs there once."""
    for part in reversed(path):
        found = list(re.finditer(rf"(?<![\w.-]){re.escape(part)}(?=\s*:)", value)) if isinstance(part, str) else []
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _without_secrets(line: str, column: int, before: str, path: KeyPath) -> tuple[str, int]:
    """Redact the line, and return the column of the same place in it."""
    of_name = names_a_secret(_item(before).removeprefix("name:").strip(" '\""))
    if of_name:
        line = _ITEM.sub(_starred, line)
    elif holds_a_secret(path):
        line = line[:column] + _VALUE.sub(_starred, line[column:])
    plain, marked = redacted(line), redacted(f"{line[:column]}{_MARK}{line[column:]}")
    same = marked.count(_MARK) == 1 and marked.replace(_MARK, "") == plain
    return plain, marked.index(_MARK) if same else min(column, len(plain))


_ITEM = re.compile(r"^(?P<before>\s*(?:-\s+)*(?:value:\s*)?)(?P<value>\S.*)")
_VALUE = re.compile(r"(?P<before>^[^:]*:\s*)(?P<value>\S.*)")


def _starred(found: re.Match[str]) -> str:
    value = found["value"].strip("\"'")
    return f"{found['before']}{STARS}" if is_secret(value) else found[0]


def _item(line: str) -> str:
    return line.strip().removeprefix("-").strip()


def _excerpt(span: _Span) -> Excerpt:
    """Cut a line to the part around the carets."""
    everything = cells(span.text)
    start, end = span.start, max(span.end, span.start + 1)
    if _width(everything) > WIDTH:
        first = max(0, start - _BEFORE) if _width(everything[:end]) > WIDTH - 1 else 0
        last = _last_that_fits(everything, first)
        head, tail = [_MORE] * (first > 0), [_MORE] * (last < len(everything))
        everything = [*head, *everything[first:last], *tail]
        start, end = start - first + len(head), min(end - first + len(head), len(everything))
    carets = " " * _width(everything[:start]) + "^" * max(1, _width(everything[start:end]))
    return Excerpt("".join(cell.text for cell in everything).rstrip(), carets)


def _last_that_fits(everything: list[Cell], first: int) -> int:
    room = WIDTH - 2
    for index in range(first, len(everything)):
        room -= everything[index].width
        if room < 0:
            return index
    return len(everything)


def _width(some: Sequence[Cell]) -> int:
    return sum(cell.width for cell in some)


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
