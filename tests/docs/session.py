"""Run the steps of a page with bash, in order, in one shell and one directory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from docs.cluster import cluster_of
from docs.page import Command, Step, WriteFile

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 900
WIDTH = 100
DROPPED = ("CI", "NO_COLOR", "FORCE_COLOR", "PYTHONPATH", "GITHUB_ACTIONS")
SOMEONE = {f"GIT_{who}_{what}": "someone@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# A page must not depend on a network: what asks for one fails at once, with and without a network.
CLOSED = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


class Done(NamedTuple):
    """A command that was run: its output on both streams, and its exit code."""

    output: tuple[str, ...]
    exit_code: int


def run(steps: Iterable[Step], needs: frozenset[str] = frozenset()) -> list[Done]:
    """Run the steps; the results are those of the commands, in their order."""
    done = _run(tuple((type(step), step[0], step.text) for step in steps), needs)
    return list(done)


@cache
def _run(steps: tuple[tuple[type, str, str], ...], needs: frozenset[str]) -> tuple[Done, ...]:
    """The Chinese page usually has the commands of the English one: they run once."""
    with TemporaryDirectory(prefix="ftc-docs-") as temporary:
        root = Path(temporary)
        place, work = root / "steps", root / "work"
        for directory in (place, work, root / "home"):
            directory.mkdir()
        _prepare(work, needs)
        script = "".join(_line(number, step, place, work) for number, step in enumerate(steps))
        with cluster_of(needs, root) as variables:
            environment = {**_environment(root / "home", needs), **variables}
            subprocess.run(["bash", "-c", script], cwd=work, env=environment, timeout=TIMEOUT, check=False)
        return tuple(_done(place / str(number)) for number, (kind, *_) in enumerate(steps) if kind is Command)


def _prepare(work: Path, needs: frozenset[str]) -> None:
    """An empty git repository, or the files of a clone of the project."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(work)], check=True)
    if "clone" in needs:
        for entry in ("compiler", "conf", "golden", "schemas", "tests", "pyproject.toml"):
            (work / entry).symlink_to(ROOT / entry)


def _line(number: int, step: tuple[type, str, str], place: Path, work: Path) -> str:
    """The line of the script that does a step; `source` keeps what a command changes in the shell."""
    kind, name, text = step
    source = place / f"{number}.sh"
    source.write_text(text if kind is WriteFile else f"{text}\n", encoding="utf-8")
    if kind is WriteFile:
        file = work / name
        if not file.resolve().is_relative_to(work.resolve()):
            raise ValueError(f"{name} is outside of the directory of the page")
        return f"mkdir -p {shlex.quote(str(file.parent))} && cp {source} {shlex.quote(str(file))}\n"
    # A user's shell does not export the width of the terminal, so that lines in a pipe stay whole.
    width = "export -n COLUMNS" if "|" in text else "export COLUMNS"
    return f"{width}; source {source} >{place}/{number}.out 2>&1 </dev/null; echo $? >{place}/{number}.code\n"


def _environment(home: Path, needs: frozenset[str]) -> dict[str, str]:
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if "trainer" in needs:
        paths.insert(0, f"{Path(os.environ['FTC_TRAINER']).resolve()}/bin")
    return {
        **{name: value for name, value in os.environ.items() if name not in DROPPED},
        **SOMEONE,
        **CLOSED,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": os.pathsep.join(paths),
        "HOME": str(home),
        "COLUMNS": str(WIDTH),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # both streams in the order in which a terminal shows them
    }


def _done(place: Path) -> Done:
    code = place.with_suffix(".code")
    if not code.exists():
        return Done(("(the shell ended before or in this command)",), -1)
    text = place.with_suffix(".out").read_text(encoding="utf-8", errors="replace")
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []
    return Done(tuple(lines), int(code.read_text(encoding="utf-8")))
