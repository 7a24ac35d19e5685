"""`ftc init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ftc.cli.installed import requirements
from ftc.cli.options import report, say
from ftc.resources import directory

_RUN = "my-run"
_REQUIREMENTS = "requirements.txt"
_WROTE = "wrote"
# The place of each file, and its template.
_FILES = {
    f"conf/{_RUN}.yaml": "my-run.yaml",
    f"golden/{_RUN}/case.yaml": "case.yaml",
    ".github/workflows/ftc.yaml": "github.yaml",
    ".github/actions/ftc-diff/action.yml": "action.yml",
    ".gitlab-ci.yml": "gitlab.yaml",
    ".pre-commit-config.yaml": "pre-commit.yaml",
    ".gitattributes": "gitattributes",
    "README.md": "README.md",
}


@click.command("init")
@click.argument("target", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(target: Path) -> None:
    """Start a repository of runs in DIR: a run, its compiled manifest, and CI that checks it.

    It writes conf/, golden/, a workflow for GitHub and one for GitLab, a pre-commit configuration and a README.
    Existing files are left unchanged.

    \b
      ftc init runs && cd runs
      ftc golden check
    """
    required = requirements()
    done = {name: _write(target / name, text) for name, text in {**_contents(), _REQUIREMENTS: required.text}.items()}
    for name, what in done.items():
        say(f"{what} {target / name}")
    _compile(target)
    if required.lacks and done[_REQUIREMENTS] == _WROTE:
        say(f"ftc: edit {target / _REQUIREMENTS} so that CI can install ftc: this one {required.lacks}", err=True)


def _contents() -> dict[str, str]:
    from ftc import editor  # noqa: PLC0415 - the same
    from ftc.golden.case import schema  # noqa: PLC0415 - Hydra, which `ftc init --help` need not load

    templates = directory("template")
    found = {name: (templates / source).read_text(encoding="utf-8") for name, source in _FILES.items()}
    found["conf/.schema/config.schema.json"] = editor.text(editor.PRIMARY)
    found["conf/.schema/case.schema.json"] = json.dumps(schema(), indent=1, sort_keys=True) + "\n"
    return found


def _write(file: Path, text: str) -> str:
    """Write a file unless it exists; return what was done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(text)
    except FileExistsError:
        return "kept"
    return _WROTE


def _compile(target: Path) -> None:
    """Compile the case, unless it has been compiled before."""
    from ftc.golden.compare import compare, update  # noqa: PLC0415 - Hydra, which `ftc init --help` need not load

    golden = target / "golden"
    if [file.name for file in (golden / _RUN).iterdir()] != ["case.yaml"]:
        return
    found = compare(golden, [_RUN], (target / "conf",))
    for diagnostics in found.refused.values():
        report(diagnostics)
    update(golden, found)
    for finding in found.findings:
        say(f"wrote {finding.file}")
    if found.refused:
        sys.exit(1)
