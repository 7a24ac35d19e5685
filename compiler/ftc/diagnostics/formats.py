"""Diagnostics for programs: as JSON, as workflow commands of GitHub Actions, and as SARIF 2.1.0.

Source of the syntax and the escapes of workflow commands: actions/toolkit, packages/core/src/command.ts.
"""

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


def json_array(diagnostics: Iterable[Diagnostic]) -> str:
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


_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def github_commands(diagnostics: Iterable[Diagnostic]) -> str:
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


_USAGE = 2
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif(diagnostics: Iterable[Diagnostic], pages: Mapping[str, Page], exit_code: int = 0) -> str:
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
