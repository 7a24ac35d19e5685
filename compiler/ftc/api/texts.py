"""Findings as text, with the lines of the files that they are in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ftc.diagnostics import render_text
from ftc.diagnostics.model import lines_of
from ftc.resources import located

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

# Larger than the largest file that composition reads.
_MAX_BYTES = 2_000_000


def findings_text(findings: Iterable[Diagnostic], texts: Mapping[str, str] | None = None) -> str:
    """The findings as the command line prints them; `texts` holds the sources that are not files."""
    return render_text.render(findings, source_lines(texts or {}))


def source_lines(texts: Mapping[str, str]) -> render_text.Lines:
    """A function that returns the lines of a source."""

    @cache
    def lines(source: str) -> Sequence[str]:
        return lines_of(texts[source] if source in texts else _read(located(source)))

    return lines


def _read(file: Path) -> str:
    """Read a file as far as possible: an unreadable source must not hide its findings."""
    try:
        with file.open("rb") as content:
            return content.read(_MAX_BYTES).decode("utf-8", "replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""
