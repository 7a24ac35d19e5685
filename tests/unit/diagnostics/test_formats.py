"""The machine-readable formats: JSON, GitHub's workflow commands and SARIF."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ftc.diagnostics import formats
from ftc.diagnostics.model import Diagnostic, Position, Related, Severity
from ftc.rules.pages import of_compile
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

IN_FILE = Diagnostic(
    code="FTC201",
    rule="nodes-need-shared-workspace",
    message="is not shared",
    path=("storage", "workspace"),
    position=Position("conf/my run.yaml", 3, 5),
    help="use storage=shared",
    related=(Related(("nodes",), Position("nodes=2")), Related(("env", 0), Position("conf/run.yaml", 9, 1))),
)
IN_OVERRIDE = Diagnostic(
    code="FTC303",
    rule="hami-needs-its-scheduler",
    message="may stay pending",
    severity=Severity.WARNING,
    path=("hardware", "device"),
    position=Position("hardware.device={a: 1}"),
)
NOWHERE = Diagnostic(code="FTC003", message="no such config", severity=Severity.NOTE)
ALL = (NOWHERE, IN_OVERRIDE, IN_FILE)
HOSTILE = "a\x1b[31m\r\n50%,b:c\x9b2J\udcff中"


def test_json_is_an_array_of_objects() -> None:
    rows = json.loads(formats.json_array(ALL))
    assert rows == [
        {
            "code": "FTC201",
            "name": "nodes-need-shared-workspace",
            "severity": "error",
            "message": "is not shared",
            "help": "use storage=shared",
            "path": "storage.workspace",
            "file": "conf/my run.yaml",
            "line": 3,
            "column": 5,
            "override": None,
            "related": [
                {"path": "nodes", "file": None, "line": None, "column": None, "override": "nodes=2"},
                {"path": "env[0]", "file": "conf/run.yaml", "line": 9, "column": 1, "override": None},
            ],
        },
        {
            "code": "FTC003",
            "name": "unknown-option",
            "severity": "note",
            "message": "no such config",
            "help": None,
            "path": None,
            "file": None,
            "line": None,
            "column": None,
            "override": None,
            "related": [],
        },
        {
            "code": "FTC303",
            "name": "hami-needs-its-scheduler",
            "severity": "warning",
            "message": "may stay pending",
            "help": None,
            "path": "hardware.device",
            "file": None,
            "line": None,
            "column": None,
            "override": "hardware.device={a: 1}",
            "related": [],
        },
    ]


def test_json_of_nothing_is_an_empty_array() -> None:
    assert formats.json_array(()) == "[]\n"


def test_json_encodes_any_text_in_ascii() -> None:
    said = formats.json_array([Diagnostic(code="FTC999", message=HOSTILE, position=Position(HOSTILE))])
    assert said.isascii()
    assert "\x1b" not in said
    (row,) = json.loads(said)
    assert row["message"] == row["override"] == HOSTILE


def test_github_gets_one_command_per_line() -> None:
    assert formats.github_commands(ALL).splitlines() == [
        (
            "::error file=conf/my run.yaml,line=3,col=5,title=FTC201 nodes-need-shared-workspace::"
            "storage.workspace: is not shared"
            "%0Anodes is set at override 'nodes=2'%0Aenv[0] is set at conf/run.yaml:9:1%0Ahelp: use storage=shared"
        ),
        "::notice title=FTC003 unknown-option::no such config",
        (
            "::warning title=FTC303 hami-needs-its-scheduler::"
            "override 'hardware.device={a: 1}': hardware.device: may stay pending"
        ),
    ]


def test_user_text_cannot_add_a_github_command() -> None:
    attack = "x\n::set-output name=a::b"
    position = Position("a,line=1::b%0A:c.yaml", 1, 2)
    found = Diagnostic(code="FTC999", message=f"50% of {attack}", position=position, help=attack)
    assert formats.github_commands([found]) == (
        "::error file=a%2Cline=1%3A%3Ab%250A%3Ac.yaml,line=1,col=2,title=FTC999::"
        "50%25 of x\\n::set-output name=a::b%0Ahelp: x\\n::set-output name=a::b\n"
    )


def sarif(*found: Diagnostic) -> Any:
    return json.loads(formats.sarif(found, of_compile()))


def test_sarif_names_the_tool_its_rules_and_the_places() -> None:
    document = sarif(*ALL)
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "ftc"
    assert [rule["id"] for rule in driver["rules"]] == ["FTC003", "FTC201", "FTC303"]
    assert driver["rules"][1]["shortDescription"]["text"] == "Nodes that train together share the workspace."
    assert "Right:  ftc compile nodes=2 storage=shared" in driver["rules"][1]["help"]["text"]
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == ["error", "error", "warning"]
    first, second, third = run["results"]
    assert first == {
        "ruleId": "FTC201",
        "ruleIndex": 1,
        "level": "error",
        "message": {"text": "storage.workspace: is not shared\nhelp: use storage=shared"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "conf/my%20run.yaml"},
                    "region": {"startLine": 3, "startColumn": 5},
                },
                "logicalLocations": [{"fullyQualifiedName": "storage.workspace", "kind": "member"}],
            }
        ],
        "relatedLocations": [
            {
                "id": 1,
                "logicalLocations": [{"fullyQualifiedName": "nodes", "kind": "member"}],
                "properties": {"override": "nodes=2"},
                "message": {"text": "nodes is set here"},
            },
            {
                "id": 2,
                "physicalLocation": {
                    "artifactLocation": {"uri": "conf/run.yaml"},
                    "region": {"startLine": 9, "startColumn": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": "env[0]", "kind": "member"}],
                "message": {"text": "env[0] is set here"},
            },
        ],
    }
    assert (second["ruleId"], second["level"], "locations" in second) == ("FTC003", "note", False)
    assert third["locations"][0]["properties"] == {"override": "hardware.device={a: 1}"}


def test_sarif_names_a_file_elsewhere_by_its_absolute_uri() -> None:
    (result,) = sarif(Diagnostic(code="FTC002", message="x", position=Position("/a b/c.yaml", 1, 1)))["runs"][0][
        "results"
    ]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///a%20b/c.yaml"


def test_sarif_validates_against_its_standard(tmp_path: Path) -> None:
    validator = ROOT / "tests" / "node" / "node_modules" / ".bin" / "sarif-multitool"
    if not validator.exists():
        pytest.skip("SARIF's validator is not installed: npm ci --prefix tests/node")
    hostile = Diagnostic(code="FTC010", message=HOSTILE, path=(HOSTILE, 3), position=Position("ünï.yaml", 1, 1))
    file = tmp_path / "found.sarif"
    file.write_text(formats.sarif((*ALL, hostile), of_compile()), encoding="ascii")
    # Its exit code is always 0.
    done = subprocess.run([str(validator), "validate", str(file)], capture_output=True, text=True, check=True)
    assert "Analysis completed successfully" in done.stdout
    assert ": error " not in done.stdout
    broken = tmp_path / "broken.sarif"
    broken.write_text(file.read_text().replace('"results"', '"resultz"'))
    done = subprocess.run([str(validator), "validate", str(broken)], capture_output=True, text=True, check=True)
    assert ": error JSON" in done.stdout


# The validator does not check these.
def test_sarif_has_only_levels_and_kinds_of_its_standard() -> None:
    (run,) = sarif(*ALL)["runs"]
    assert {result["level"] for result in run["results"]} <= {"none", "note", "warning", "error"}
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")


def test_sarif_of_nothing_is_a_run_without_results() -> None:
    (run,) = sarif()["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_every_code_can_be_rendered_as_sarif() -> None:
    found = tuple(Diagnostic(code=code, message="x") for code in of_compile())
    assert len(sarif(*found)["runs"][0]["results"]) == len(found)
