"""A revision of a git repository, as far as it is compiled."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class NoRevisionError(Exception):
    """What git says: there is no repository here, or no such revision."""


@contextmanager
def checked_out(revision: str, paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """The paths as they are in a revision, with the working directory where it would be in it.

    A path outside of the repository has no revision and stays; one that the revision does not have leads nowhere.
    NoRevisionError says what git does not find.
    """
    here = Path.cwd()
    top = Path(_git("rev-parse", "--show-toplevel").decode().strip()).resolve()
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    inside = {path: path.resolve().relative_to(top) for path in paths if path.resolve().is_relative_to(top)}
    with tempfile.TemporaryDirectory(prefix="ftc-") as scratch:
        for path in inside.values():
            _extract(commit, top, path, Path(scratch))
        there = Path(scratch) / here.resolve().relative_to(top)
        there.mkdir(parents=True, exist_ok=True)
        with chdir(there):
            yield tuple(
                Path(scratch) / inside[path] if path in inside and path.is_absolute() else path for path in paths
            )


def _extract(commit: str, top: Path, path: Path, into: Path) -> None:
    if not _git("-C", str(top), "ls-tree", commit, "--", str(path)):
        return
    archive = _git("-C", str(top), "archive", "--format=tar", commit, "--", str(path))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into, filter="data")


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - the user's git, no shell
    except FileNotFoundError as error:
        raise NoRevisionError("git is not installed") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise NoRevisionError(said or "is no revision that this repository has; a shallow clone fetches it first")
    return done.stdout
