"""Diagnostics in the requested format, and texts as a unified diff; loaded only if there is something to report."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from ftc.api.texts import source_lines
from ftc.diagnostics import formats, render_text
from ftc.diagnostics.printable import escaped, inert, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic


_STYLES = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "help": {"fg": "green"},
    "gutter": {"fg": "blue"},
}


def text(
    diagnostics: Sequence[Diagnostic], kind: str, texts: Mapping[str, str], *, colour: bool, exit_code: int = 0
) -> str:
    """Render the diagnostics in a format; `texts` holds the sources that are not files."""
    match kind:
        case "json":
            return formats.json_array(diagnostics)
        case "github":
            return formats.github_commands(diagnostics)
        case "sarif":
            from ftc.rules.pages import pages  # noqa: PLC0415 - every rule, for this format only

            return formats.sarif(diagnostics, pages(), exit_code)
    return render_text.render(diagnostics, source_lines(texts), _styled if colour else _plain)


def _styled(piece: str, role: str) -> str:
    return click.style(piece, **_STYLES[role])  # type: ignore[arg-type] # the values of one option have one type


def _plain(piece: str, _: str) -> str:
    return piece


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def unified(before: str, after: str, names: tuple[str, str], *, colour: bool) -> str:
    """Write the diff without its last line break, and without secrets."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return "\n".join(_painted(inert(escaped(redacted(line))), colour=colour) for line in lines)


def _painted(line: str, *, colour: bool) -> str:
    return click.style(line, fg=_COLOURS.get(line[:1])) if colour else line
