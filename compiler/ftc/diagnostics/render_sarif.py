"""Diagnostics as SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ftc import __version__
from ftc.diagnostics import page
from ftc.diagnostics.model import Severity, dotted
from ftc.diagnostics.printable import escaped, inert, inert_json
from ftc.diagnostics.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftc.diagnostics.model import Diagnostic, KeyPath, Position
    from ftc.diagnostics.page import Page

_USAGE = 2
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(diagnostics: Iterable[Diagnostic], pages: Mapping[str, Page], exit_code: int = 0) -> str:
    """Write one run, whose rules are the pages of the reported codes.

    A diagnostic without a code is not a result of the analysis but the reason why it did not run: a notification of the
    invocation.
    """
    every = shown(diagnostics)
    found = [diagnostic for diagnostic in every if diagnostic.code]
    failures = [diagnostic for diagnostic in every if not diagnostic.code]
    codes = sorted({diagnostic.code for diagnostic in found})
    driver = {"name": "ftc", "version": __version__, "rules": [_rule(pages[code]) for code in codes]}
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found],
    }
    if failures:
        run["invocations"] = [_invocation(failures, exit_code)]
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return inert_json(json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1)) + "\n"


def _invocation(failures: Iterable[Diagnostic], exit_code: int) -> dict[str, Any]:
    """SARIF 2.1.0, 3.20: how the tool was run, if it failed."""
    said = [{"level": "error", "message": {"text": _text(failure.message)}} for failure in failures]
    kind = "toolConfigurationNotifications" if exit_code == _USAGE else "toolExecutionNotifications"
    return {"executionSuccessful": False, "exitCode": exit_code, kind: said}


def _text(text: str) -> str:
    """Escape a text in which `[text](target)` would be a link (SARIF 2.1.0, 3.11.6)."""
    lines = "\n".join(inert(escaped(line)) for line in text.split("\n"))
    return lines.replace("[", "\\[").replace("]", "\\]") if "](" in lines else lines


def _rule(about: Page) -> dict[str, Any]:
    return {
        "id": about.code,
        "name": about.name,
        "shortDescription": {"text": about.title},
        "help": {"text": page.render(about)},
        "defaultConfiguration": {"level": _LEVELS[about.severity]},
    }


def _result(diagnostic: Diagnostic, index: int) -> dict[str, Any]:
    help_ = f"\nhelp: {diagnostic.help}" if diagnostic.help else ""
    what = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    location = _location(diagnostic.path, diagnostic.position)
    related = [
        {
            "id": number,
            **_location(one.path, one.position),
            "message": {"text": f"{_text(dotted(one.path))} is set here"},
        }
        for number, one in enumerate(diagnostic.related, 1)
    ]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": _text(f"{what}{diagnostic.message}{help_}")},
        **({"locations": [location]} if location else {}),
        **({"relatedLocations": related} if related else {}),
    }


def _location(path: KeyPath, position: Position | None) -> dict[str, Any]:
    """A place in a file; an override becomes a property."""
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
    """Relative to the working directory, if the file was named so."""
    whole = PurePosixPath("/", escaped(source)).as_uri()
    return whole if source.startswith("/") else whole.removeprefix("file:///")
