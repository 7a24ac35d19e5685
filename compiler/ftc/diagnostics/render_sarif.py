"""Diagnostics as SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ftc import __version__
from ftc.diagnostics import page
from ftc.diagnostics.model import Severity, dotted
from ftc.diagnostics.printable import escaped
from ftc.diagnostics.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftc.diagnostics.model import Diagnostic, KeyPath, Position
    from ftc.diagnostics.page import Page

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(diagnostics: Iterable[Diagnostic], pages: Mapping[str, Page]) -> str:
    """One run, with the pages of the codes that were found as its rules."""
    found = shown(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    driver = {"name": "ftc", "version": __version__, "rules": [_rule(pages[code]) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(about: Page) -> dict[str, Any]:
    return {
        "id": about.code,
        "shortDescription": {"text": about.title},
        "help": {"text": page.render(about)},
        "defaultConfiguration": {"level": _LEVELS[about.severity]},
    }


def _result(diagnostic: Diagnostic, index: int) -> dict[str, Any]:
    help_ = f"\nhelp: {diagnostic.help}" if diagnostic.help else ""
    what = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    location = _location(diagnostic.path, diagnostic.position)
    related = [
        {"id": number, **_location(one.path, one.position), "message": {"text": f"{dotted(one.path)} is set here"}}
        for number, one in enumerate(diagnostic.related, 1)
    ]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": f"{what}{diagnostic.message}{help_}"},
        **({"locations": [location]} if location else {}),
        **({"relatedLocations": related} if related else {}),
    }


def _location(path: KeyPath, position: Position | None) -> dict[str, Any]:
    """A place in a file; an override has none, and is the logical place."""
    found: dict[str, Any] = {}
    if position and position.line:
        region = {"startLine": position.line, "startColumn": position.column}
        found["physicalLocation"] = {"artifactLocation": {"uri": _uri(position.source)}, "region": region}
    if path:
        found["logicalLocations"] = [{"fullyQualifiedName": dotted(path), "kind": "member"}]
    if position and not position.line:
        found["properties"] = {"override": position.source}
    return found


def _uri(source: str) -> str:
    """Relative to the working directory, where the file was named so."""
    whole = PurePosixPath("/", escaped(source)).as_uri()
    return whole if source.startswith("/") else whole.removeprefix("file:///")
