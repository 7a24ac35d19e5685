"""Two texts as a unified diff, in colour on a terminal."""

from __future__ import annotations

import difflib
import sys

import click

from ftc.cli.rendering import has_colour
from ftc.diagnostics.printable import escaped, inert
from ftc.diagnostics.redact import redacted

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def unified(before: str, after: str, names: tuple[str, str]) -> str:
    """Write the diff without its last line break, and without secrets."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    colour = has_colour(sys.stdout)
    return "\n".join(_painted(inert(escaped(redacted(line))), colour=colour) for line in lines)


def _painted(line: str, *, colour: bool) -> str:
    return click.style(line, fg=_COLOURS.get(line[:1])) if colour else line
