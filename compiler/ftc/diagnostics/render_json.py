"""Diagnostics as JSON: an array of objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import dotted
from ftc.diagnostics.printable import inert_json
from ftc.diagnostics.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diagnostics.model import Diagnostic, KeyPath, Position


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Write the array, one object per line; in ASCII, so that no user's text reaches a terminal unescaped."""
    rows = [inert_json(json.dumps(one)) for one in objects(diagnostics)]
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def objects(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """The objects of the array, without secrets."""
    return [_object(diagnostic) for diagnostic in shown(diagnostics)]


def _object(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code or None,
        "name": diagnostic.name or None,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help or None,
        **_place(diagnostic.path, diagnostic.position),
        "related": [_place(related.path, related.position) for related in diagnostic.related],
    }


def _place(path: KeyPath, position: Position | None) -> dict[str, Any]:
    """The key, and the place in a file or the override that set it."""
    in_file = position is not None and position.line > 0
    return {
        "path": dotted(path) or None,
        "file": position.source if position and in_file else None,
        "line": position.line if position and in_file else None,
        "column": position.column if position and in_file else None,
        "override": position.source if position and not in_file else None,
    }
