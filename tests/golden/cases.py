"""The golden files: the command and the expected output of each."""

from __future__ import annotations

import difflib
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from ftc.cli.main import cli
from ftc.diagnostics.model import has_errors
from ftc.diagnostics.render_text import render
from ftc.diff.causes import emitted
from ftc.driver import Request, State, compile_job
from ftc.rules.pages import of_compile

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "golden" / "scenarios"
OPTIONS = ROOT / "golden" / "options"
ERRORS = ROOT / "golden" / "errors"
CORPUS = ROOT / "tests" / "corpus"
IMAGES = ROOT / "golden" / "images"
PLANS = ROOT / "golden" / "plans"
INFERENCE = ROOT / "golden" / "inference"
CASE = "case.yaml"


def scenarios(command: str, *cases: str) -> Result:
    """`ftc golden check` or `update` of the scenarios."""
    return CliRunner().invoke(cli, ["golden", command, "--dir", str(SCENARIOS.relative_to(ROOT)), *cases])


def plan(case: str) -> str:
    """The output of `ftc plan` for a scenario."""
    overrides = yaml.safe_load((SCENARIOS / case / CASE).read_text())["overrides"]
    result = CliRunner().invoke(cli, ["plan", *overrides])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def compiled(overrides: list[str]) -> State:
    """The result of a compile that must not be refused."""
    state = compile_job(Request(tuple(overrides)))
    assert not has_errors(state.diagnostics), render(state.diagnostics)
    return state


def option(command: str) -> str:
    """The golden of an option: the command, and what its first word changes."""
    words = tuple(shlex.split(command))
    own = f"{words[0].partition('=')[0].rpartition('@')[2]}."
    base, changed = _base(tuple(word for word in words[1:] if not word.startswith(own))), _texts(compiled(list(words)))
    return f"$ ftc compile {command}\n" + "".join(
        _diff(name, base.get(name, ""), changed.get(name, "")) for name in sorted(base.keys() | changed.keys())
    )


@cache
def _base(rest: tuple[str, ...]) -> dict[str, str]:
    """The output of the rest; that of the plain `ftc compile` if the rest needs the first word."""
    state = compile_job(Request(rest))
    return _texts(compiled([]) if has_errors(state.diagnostics) else state)


def _texts(state: State) -> dict[str, str]:
    """The files without the overrides and the spec that manifests repeat, which say no more than the command."""
    assert state.spec is not None
    return emitted(state.spec, state.request.targets)


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", n=1, lineterm="")
    return "".join(f"{'@@' if line.startswith('@@') else line}\n" for line in lines)  # without lines that shift


def error(command: str) -> str:
    """A refused compile: the command, its output and its exit code."""
    result = CliRunner().invoke(cli, ["compile", *shlex.split(command)])
    assert result.stdout == ""
    return f"$ ftc compile {command}\n{result.stderr}exit code {result.exit_code}\n"


def image(command: str) -> str:
    """A Dockerfile, with the command in its first comment."""
    result = CliRunner().invoke(cli, ["compile", *shlex.split(command)])
    assert (result.exit_code, result.stderr) == (0, "")
    return f"# $ ftc compile {command}\n{result.stdout}"


def inference(command: str) -> str:
    """An InferenceService, with the command in its first comment and how to try it in the last ones."""
    result = CliRunner().invoke(cli, ["inference", *shlex.split(command)])
    assert result.exit_code == 0, result.stderr
    said = "".join(f"# {line}\n" for line in result.stderr.splitlines())
    return f"# $ ftc inference {command}\n{result.stdout}{said}"


def corpus() -> dict[Path, str]:
    """The examples of every page: `bad` has a finding with the code, `good` does not."""
    pages = [page for page in of_compile().values() if page.wrong is not None]
    bad = {CORPUS / "bad" / f"{page.code}.err": page.wrong or "" for page in pages}
    return bad | {CORPUS / "good" / f"{page.code}.err": page.right or "" for page in pages}


def example(command: str) -> str:
    """The output and the exit code of an example of a page."""
    result = CliRunner().invoke(cli, ["compile", *_words(command)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return f"$ ftc compile {command}".rstrip() + f"\n{result.stderr}exit code {result.exit_code}\n"


def _words(command: str) -> list[str]:
    """Split a command as a shell does."""
    script = f"printf '%s\\0' {command}" if command else "true"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


def lint(file: Path) -> str:
    """The output of lint for a manifest: the command, its diagnostics and its exit code."""
    name = file.relative_to(ROOT)
    result = CliRunner().invoke(cli, ["lint", str(name)])
    assert re.fullmatch(r"(ftc: .* in 1 file\n)?", result.stderr), "only the number of findings"
    return f"$ ftc lint {name}\n{result.stdout}exit code {result.exit_code}\n"


def command_of(file: Path) -> str:
    """The command on the first line of a golden."""
    return file.read_text().partition("\n")[0].removeprefix("# ").removeprefix("$ ftc ").partition(" ")[2].strip()
