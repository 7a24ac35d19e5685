"""With `--format`, a command prints a single document, which also reports usage errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ftc.cli.main import cli
from golden import cases
from unit.compiling import Said, ftc

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD = cases.CORPUS / "good" / "FTC510-other-units.yaml"
BROKEN = "not-there"
# Each command that has --format, with an invocation for each kind of failure; `lint` and `diff` write to stdout.
USAGE = (
    *(
        ("compile", "--nope"),
        ("compile", "-t", "nope"),
        ("compile", "-m", "nodes=1,2"),
        ("compile", "--config-dir", "-"),
    ),
    *(("compile", "-t", "job", "-t", "volcano"), ("compile", "--ignore", "FTC1"), ("show", "--nope"), ("plan", "-x")),
    *(("explain",), ("explain", "a=b"), ("explain", ""), ("explain", "-t"), ("lint",), ("lint", "--nope", "x")),
    *(("lint", "--kubernetes", "9", "x"), ("diff",), ("diff", "--nope"), ("diff", "a", "b"), ("nope",), ("--nope",)),
)
REFUSED = (
    *(("compile", "-o", "/proc/x"), ("compile", "nodes=0"), ("compile", "-m", "nodes=1", "-o", "x"), ("show", "a=1")),
    *(("compile", "-m", "nodes=1,2", "-o", "/proc/x"), ("compile", "-m", "nodes=0,0", "-o", "x"), ("plan", "nodes=0")),
    *(("explain", "nope"), ("explain", "9999"), ("lint", BROKEN), ("lint", ".")),
    *(("diff", "--", "nodes=0"), ("diff", "--base", "nope", "nodes=1"), ("diff", "-t", "volcano", "--", "-t", "job")),
    *(("diff", "empty.yaml", "empty.yaml"), ("diff", "--manifest", "bad.yaml"), ("diff", "--base", "HEAD")),
)
DONE = (("compile",), ("show",), ("plan",), ("explain", "nodes"), ("lint", str(GOOD)))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.yaml").touch()
    Path("bad.yaml").write_text("a: [")


def document(said: Said, command: Sequence[str]) -> str:
    """The content of the document's stream; the other stream contains no errors."""
    if command[0] in ("lint", "diff"):
        assert said.stderr == ""
        return said.stdout
    if said.exit_code:
        assert said.stdout == ""
    return said.stderr


def messages(text: str, form: str) -> list[str]:
    """The messages of a document, which must be valid in its format."""
    if form == "json":
        return [one["message"] for one in json.loads(text)]
    if form == "sarif":
        (run,) = json.loads(text)["runs"]
        failures = [
            one for how in run.get("invocations", []) for key in how if key.startswith("tool") for one in how[key]
        ]
        return [one["message"]["text"] for one in (*run["results"], *failures)]
    lines = text.splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ", "ftc: ")) for line in lines)
    return [line.split("::", 2)[2] for line in lines if line.startswith("::")]


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
@pytest.mark.parametrize(
    ("commands", "exit_code"), [(USAGE, 2), (REFUSED, 1), (DONE, 0)], ids=["usage", "refused", "done"]
)
def test_every_command_prints_one_document(commands: tuple[tuple[str, ...], ...], exit_code: int, form: str) -> None:
    for command in commands:
        words = [command[0], f"--format={form}", *command[1:]]
        said = ftc(*words)
        if command[0] == "diff" and form != "json":
            assert said.exit_code == 2  # the command does not have this format
        else:
            assert said.exit_code == exit_code, (command, said)
        found = messages(document(said, command), form)
        assert bool(found) == bool(said.exit_code), (command, said)


def test_errors_before_the_format_is_parsed_are_in_the_document() -> None:
    assert "No such option" in messages(ftc("compile", "--nope", "--format", "json").stderr, "json")[0]
    assert "No such option" in messages(ftc("compile", "--nope", "--format=json").stderr, "json")[0]
    assert "No such option" in messages(ftc("diff", "--", "--nope", "--format", "json").stdout, "json")[0]
    assert ftc("compile", "--nope", "--", "--format", "json").stderr.startswith("Usage: ")
    assert ftc("compile", "--format", "yaml").stderr.startswith("Usage: ")


def test_an_error_after_findings_is_in_the_same_document(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    said = ftc("compile", "--format", "json", "storage=per-pod", "-o", "there/x")
    rows = json.loads(said.stderr)
    assert {row["code"] for row in rows} == {"FTC209", None}
    assert said.exit_code == 1


def test_sarif_reports_a_failed_invocation() -> None:
    for words, code, kind in ((("--nope",), 2, "toolConfiguration"), (("-o", "/proc/x"), 1, "toolExecution")):
        (run,) = json.loads(ftc("compile", "--format", "sarif", *words).stderr)["runs"]
        ((how),) = run["invocations"]
        assert (how["executionSuccessful"], how["exitCode"], run["results"]) == (False, code, [])
        assert f"{kind}Notifications" in how
    (run,) = json.loads(ftc("compile", "--format", "sarif").stderr)["runs"]
    assert "invocations" not in run


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_a_bug_is_in_the_document(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ftc.api.runs.compile_job", broken)
    result = CliRunner().invoke(cli, ["compile", "--format", form])
    assert result.exit_code == 70
    (message,) = messages(result.stderr, form)
    assert "this is a bug in ftc" in message
    assert "ZeroDivisionError" in message


@pytest.mark.parametrize("stream", [1, 2])
def test_a_document_that_cannot_be_written_is_an_error(stream: int) -> None:
    command = f"lint {GOOD}" if stream == 1 else "compile"
    shell = f"exec {sys.executable} -m ftc.cli.main {command} --format json {stream}>/dev/full"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


NASTY = "::add-mask::x\n\x1b[2J\u202e\u200b##[error]y"


@pytest.mark.parametrize("form", ["text", "github", "json", "sarif"])
def test_no_name_is_a_command_or_invisible(form: str, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    said = [
        ftc("lint", "--format", form, NASTY),
        ftc("compile", "--format", form, f"{NASTY}=1"),
        ftc("compile", "--format", form, f"--{NASTY}"),
        ftc("compile", "--format", form, f"hardware={NASTY}"),
        ftc("explain", "--format", form, NASTY),
        ftc("explain", "env", f"env.A='{NASTY}'"),
        ftc("explain", "env", r'env.A="::add-mask::x\n##[error]"'),
        ftc("diff", "env.A=1", "--", r'env.A="a\n::add-mask::x\n##[error]b\n##vso[task.x]c"'),
        ftc("diff", "--base", NASTY),
        ftc("list", NASTY),
        ftc("rule", NASTY),
        ftc(NASTY),
        ftc("golden", "check", "--dir", "conf", NASTY),
        ftc("compile", "-o", NASTY),
    ]
    for one in said:
        for line in (one.stdout + one.stderr).split("\n"):
            assert line.isprintable(), one
            assert "##[" not in line
            assert "##vso[" not in line
            assert not line.lstrip().startswith("::") or line.startswith(("::error ", "::warning "))


def test_lines_of_golden_files_are_not_commands(tmp_path: Path) -> None:
    case = tmp_path / "golden" / "one"
    case.mkdir(parents=True)
    (case / "case.yaml").write_text("why: x\n")
    assert ftc("golden", "update").exit_code == 0
    written = case / "volcano.yaml"
    written.write_text("::add-mask::a\n" + written.read_text().replace("\n", "\n::error::b ##[error]c\n", 3))
    for line in ftc("golden", "check").stdout.split("\n"):
        assert "##[" not in line
        assert not line.lstrip().startswith("::")


def test_a_source_line_is_not_a_command(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Job\napiVersion: batch/v1\nmetadata: {name: '##[error]A'}\n")
    assert "##[" not in ftc("lint", "a.yaml").stdout
