"""How the command line reports findings: the stream, the format and the colour."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftc.cli import rendering
from ftc.cli.document import FORMATS
from ftc.diagnostics.model import Diagnostic, Position
from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

RED = "\x1b[31m\x1b[1m"


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """The output on stderr if it is a terminal, while stdout is not."""
    ours, theirs = pty.openpty()
    environment = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "ftc.cli.main", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, check=False)
    os.close(theirs)
    assert done.stdout == b""
    said = b""
    while True:
        try:
            some = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        said += some
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colour() -> None:
    said = on_a_terminal("compile", "devices=9")
    assert f"override 'devices=9': {RED}error[FTC301 devices-exceed-node]\x1b[0m: devices: requests 9" in said
    assert f"\x1b[34m   |\x1b[0m {RED}        ^\x1b[0m\n" in said
    assert "  \x1b[32mhelp\x1b[0m: use nodes=" in said


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_gets_no_colour_if_its_user_wants_none(variables: dict[str, str]) -> None:
    said = on_a_terminal("compile", "devices=9", **variables)
    assert "error[FTC301 devices-exceed-node]" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_a_pipe_gets_colour_only_if_its_user_forces_it(variables: dict[str, str], *, has_colour: bool) -> None:
    inherited = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    for words in (("compile", "devices=9"), ("list",), ("rule", "memory"), ("plan",)):
        command = [sys.executable, "-m", "ftc", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**inherited, **variables})
        assert ("\x1b" in done.stdout + done.stderr) is has_colour


@pytest.mark.parametrize("kind", FORMATS)
def test_a_users_escapes_do_not_reach_the_terminal(kind: str) -> None:
    said = on_a_terminal("compile", "--format", kind, "env.A=[\x1b[2J\x07]", "hardware=\x1b]0;x\x9b", NO_COLOR="1")
    assert "FTC" in said
    assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize("command", [("list", "\x1b[31m"), ("rule", "\x1b[31m")])
def test_an_error_repeats_no_escape_sequence(command: tuple[str, ...]) -> None:
    assert "\x1b" not in ftc(*command).stderr


@pytest.mark.parametrize("command", ["compile", "show"])
def test_json_is_the_whole_of_stderr(command: str) -> None:
    (row,) = json.loads(ftc(command, "--format", "json", "devices=9").stderr)
    assert (row["code"], row["severity"], row["path"], row["override"]) == ("FTC301", "error", "devices", "devices=9")
    assert json.loads(ftc(command, "--format", "json").stderr) == []


def test_stdout_carries_the_manifest_in_every_format() -> None:
    plain = ftc("compile").stdout
    for kind in FORMATS:
        assert ftc("compile", "--format", kind).stdout == plain


def test_sarif_stays_one_document_if_files_are_written(tmp_path: Path) -> None:
    said = ftc("compile", "--format", "sarif", "-o", str(tmp_path), "storage=per-pod")
    assert said.exit_code == 0
    (run,) = json.loads(said.stderr)["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["FTC209"]
    assert (tmp_path / "volcano.yaml").is_file()


@pytest.mark.parametrize("kind", ["text", "github"])
def test_no_findings_print_an_empty_document(kind: str) -> None:
    assert ftc("compile", "--format", kind).stderr == ""


def test_the_help_says_where_diagnostics_go() -> None:
    text = ftc("compile", "--help").stdout
    assert "stderr" in text
    assert all(kind in text for kind in FORMATS)


def test_a_finding_in_a_deleted_source_has_no_excerpt() -> None:

    found = [Diagnostic(code="FTC999", message="is wrong", position=Position(source, 1, 1)) for source in ("/", "-")]
    said = rendering.text(found, "text", {"-": "a: 1\n"}, colour=False)
    assert said == "-:1:1: error[FTC999]: is wrong\n  1 | a: 1\n    | ^\n/:1:1: error[FTC999]: is wrong\n"
