"""Diagnostics as lines for a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Diagnostic, Position, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable


def _order(diagnostic: Diagnostic) -> tuple[int, str, int, int]:
    """Files by name and line, then overrides as they stand on the command line (sorting is stable)."""
    position = diagnostic.position or Position("")
    if not position.line:
        return (1, "", 0, 0)
    return (0, position.source, position.line, position.column)


def _render_one(diagnostic: Diagnostic) -> str:
    where = f"{diagnostic.position}: " if diagnostic.position else ""
    what = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    lines = [f"{where}{diagnostic.severity.value}[{diagnostic.code}]: {what}{diagnostic.message}"]
    lines += [f"  help: {diagnostic.help}"] if diagnostic.help else []
    return _USER_INFO.sub(r"\1***@", "\n".join(lines))


# A password that somebody wrote into a URL must not stand in a log as well.
_USER_INFO = re.compile(r"(\w+://)[^/@\s]+@")


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """One finding after the other, in the order of their positions; the same finding stands once."""
    lines = dict.fromkeys(_render_one(d) for d in sorted(diagnostics, key=_order))
    return "".join(f"{line}\n" for line in lines)
