"""Diagnostics as workflow commands of GitHub Actions, which show them next to the line in a pull request.

Source of the syntax and the escapes: actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, dotted
from ftc.diagnostics.printable import escaped, inert
from ftc.diagnostics.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diagnostics.model import Diagnostic

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Write one command per line."""
    return "".join(f"{_command(diagnostic)}\n" for diagnostic in shown(diagnostics))


def _command(diagnostic: Diagnostic) -> str:
    place, position = "", diagnostic.position
    if position and position.line:
        place = f"file={_property(position.source)},line={position.line},col={position.column},"
    return (
        f"::{_COMMANDS[diagnostic.severity]} {place}title={_property(diagnostic.label or 'ftc')}::{_data(diagnostic)}"
    )


def _property(text: str) -> str:
    return escaped(text).translate(_PROPERTY)


def _data(diagnostic: Diagnostic) -> str:
    position = diagnostic.position
    where = f"{position}: " if position and not position.line else ""
    what = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    lines = [f"{where}{what}{diagnostic.message}"]
    lines += [f"{dotted(related.path)} is set at {related.position}" for related in diagnostic.related]
    lines += [f"help: {diagnostic.help}"] if diagnostic.help else []
    return "\n".join(inert(escaped(line)) for line in lines).translate(_DATA)
