"""`ftc init`, and the source that the running ftc was installed from, as a line of requirements.txt."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

import ftc
from ftc.cli.init_option import WROTE, own_options, write_new, write_options
from ftc.cli.options import Place, report, say
from ftc.resources import directory

_ABOVE = "# Where CI installs ftc from. The name alone is not enough: on an index it may belong to another program.\n"
# pip cannot install this, and its error shows what to do.
_NOWHERE = "file:///say-in-requirements.txt-where-ftc-comes-from"
_FORMS = f"""\
#   ftc @ git+https://git.example.com/team/ftc@<commit>
#   ftc @ https://packages.example.com/ftc-{ftc.__version__}-py3-none-any.whl#sha256=<digest>
# or, from your own index:
#   --index-url https://packages.example.com/simple
#   ftc=={ftc.__version__}
"""


_HERE = "was installed from a local file or directory"


class _Git(msgspec.Struct):
    vcs: str
    commit_id: str


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}


class _Origin(msgspec.Struct):
    url: str
    vcs_info: _Git | None = None
    archive_info: _Archive | None = None
    subdirectory: str = ""


class Requirements(NamedTuple):
    """The requirements file; `lacks` says why it names no source yet."""

    text: str
    lacks: str = ""


def requirements() -> Requirements:
    """Name the source that ftc was installed from, if others can use it; else a line that pip cannot install."""
    origin = _origin()
    if isinstance(origin, _Origin):
        return Requirements(f"{_ABOVE}ftc @ {_place(origin)}\n")
    say = f"# This one {origin}. Replace the last line by one such as\n"
    return Requirements(f"{_ABOVE}{say}{_FORMS}ftc @ {_NOWHERE}\n", origin)


def _origin() -> _Origin | str:
    """The source of the running package's distribution, or why others cannot install it from there."""
    try:
        found = distribution("ftc")
    except PackageNotFoundError:
        return _HERE
    if Path(str(found.locate_file("ftc/__init__.py"))) != Path(ftc.__file__):
        return _HERE
    direct = found.read_text("direct_url.json")
    if direct is None:
        return "was installed from an index, and pip does not record which"
    origin = msgspec.json.decode(direct, type=_Origin)
    return _HERE if origin.url.startswith("file:") else origin


def _place(origin: _Origin) -> str:
    """A URL for pip, with the commit or the digest that was installed."""
    below = f"subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    if origin.vcs_info:
        rest = f"#{below}" if below else ""
        return f"{origin.vcs_info.vcs}+{origin.url}@{origin.vcs_info.commit_id}{rest}"
    hashes = origin.archive_info.hashes if origin.archive_info else {}
    digest = f"sha256={hashes['sha256']}" if "sha256" in hashes else ""
    fragment = "&".join(part for part in (digest, below) if part)
    return f"{origin.url}#{fragment}" if fragment else origin.url


_RUN = "my-run"
_CASES = (_RUN, "scripts")
_REQUIREMENTS = "requirements.txt"
# The place of each file, and its template.
_FILES = {
    f"conf/{_RUN}.yaml": "my-run.yaml",
    f"golden/{_RUN}/case.yaml": "case.yaml",
    "golden/scripts/case.yaml": "scripts.yaml",
    ".github/workflows/ftc.yaml": "github.yaml",
    ".github/actions/ftc-diff/action.yml": "action.yml",
    ".gitlab-ci.yml": "gitlab.yaml",
    ".pre-commit-config.yaml": "pre-commit.yaml",
    ".gitattributes": "gitattributes",
    "README.md": "README.md",
}
# Servers and pre-commit read these at the root of a repository only.
_OF_ROOT = (".github/workflows/ftc.yaml", ".gitlab-ci.yml", ".pre-commit-config.yaml")
_ABOUT_PRE_COMMIT = re.compile(r"^- `pre-commit install`.*\n", re.MULTILINE)


@click.command("init")
@click.argument("target", metavar="[DIR]", default=".", type=Place(file_okay=False, path_type=Path))
@own_options
def command(target: Path, **own: tuple[str, ...]) -> None:
    """Start a repository of runs in DIR: a run, its compiled manifest, and CI that checks it.

    It writes conf/, golden/, a workflow for GitHub and one for GitLab, a pre-commit configuration and a README.
    Inside a larger git repository it writes no configuration of CI or pre-commit, and prints the commands for its CI.
    With --hardware, --dataset, --model or --cluster it only writes DIR/conf/GROUP/NAME.yaml, with comments that say
    what to fill in. Existing files are left unchanged.

    \b
      ftc init runs && cd runs
      ftc golden check
      ftc init --dataset our-tickets
    """
    if any(own.values()):
        write_options(target, own)
        return
    required, root = requirements(), _root_above(target)
    contents = _below_root(_contents()) if root else _contents()
    done = {name: write_new(target / name, text) for name, text in {**contents, _REQUIREMENTS: required.text}.items()}
    for name, what in done.items():
        say(f"{what} {target / name}")
    _compile(target)
    if root:
        commands = _commands(target.resolve().relative_to(root))
        say(f"ftc: {target} is not the root of its git repository: add to its CI: {commands}", err=True)
    if required.lacks and done[_REQUIREMENTS] == WROTE:
        say(f"ftc: edit {target / _REQUIREMENTS} so that CI can install ftc: this one {required.lacks}", err=True)


def _root_above(target: Path) -> Path | None:
    """The root of the git repository that contains a directory; None without one, and for the root itself."""
    here = target.resolve()
    found = next((one for one in (here, *here.parents) if (one / ".git").exists()), here)
    return found if found != here else None


def _below_root(contents: dict[str, str]) -> dict[str, str]:
    """The files without those that have an effect at the root of a repository only."""
    readme = _ABOUT_PRE_COMMIT.sub("", contents["README.md"])
    return {name: text for name, text in contents.items() if name not in _OF_ROOT} | {"README.md": readme}


def _commands(place: Path) -> str:
    """What the CI of a repository runs for the cases in one of its directories."""
    required, golden = (shlex.quote((place / name).as_posix()) for name in (_REQUIREMENTS, "golden"))
    check, diff = f"ftc golden check --dir {golden}", f"ftc diff --base origin/main --dir {golden}"
    return f"pip install -r {required} && {check} && {diff}"


def _contents() -> dict[str, str]:
    from ftc import editor  # noqa: PLC0415 - the same
    from ftc.golden import schema  # noqa: PLC0415 - Hydra, which `ftc init --help` need not load

    templates = directory("template")
    found = {name: (templates / source).read_text(encoding="utf-8") for name, source in _FILES.items()}
    found["conf/.schema/config.schema.json"] = editor.text(editor.PRIMARY)
    found["conf/.schema/case.schema.json"] = json.dumps(schema(), indent=1, sort_keys=True) + "\n"
    return found


def _compile(target: Path) -> None:
    """Compile the cases, unless they have been compiled before."""
    from ftc.driver import Request  # noqa: PLC0415 - Hydra, which `ftc init --help` need not load
    from ftc.golden import compare, update  # noqa: PLC0415 - Hydra, which `ftc init --help` need not load

    golden = target / "golden"
    fresh = [name for name in _CASES if [file.name for file in (golden / name).iterdir()] == ["case.yaml"]]
    if not fresh:
        return
    found = compare(golden, fresh, Request((), (target / "conf",)))
    for diagnostics in found.refused.values():
        report(diagnostics)
    update(golden, found)
    for finding in found.findings:
        say(f"wrote {finding.file}")
    if found.refused:
        sys.exit(1)
