"""The files of a git revision that a compile needs."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class NoRevisionError(Exception):
    """An error of git: no repository here, or no such revision."""


@contextmanager
def checked_out(revision: str, paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Extract the paths of a revision, and change to the corresponding working directory in it.

    A path outside the repository stays as it is; one that the revision lacks does not exist.
    Raises NoRevisionError for what git does not find.
    """
    here = Path.cwd()
    top = Path(os.fsdecode(_git("rev-parse", "--show-toplevel").removesuffix(b"\n"))).resolve()
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    inside = {path: path.resolve().relative_to(top) for path in paths if path.resolve().is_relative_to(top)}
    with tempfile.TemporaryDirectory(prefix="ftc-") as scratch:
        for path in inside.values():
            _extract(commit, top, path, Path(scratch).resolve())
        there = Path(scratch) / here.resolve().relative_to(top)
        there.mkdir(parents=True, exist_ok=True)
        with chdir(there):
            yield tuple(
                Path(scratch) / inside[path] if path in inside and path.is_absolute() else path for path in paths
            )


def _extract(commit: str, top: Path, path: Path, into: Path) -> None:
    """Extract what is below a path, and the targets of links in it; a link out of the repository is left out."""
    if (into / path).exists() or not _git("-C", str(top), "ls-tree", commit, "--", _literal(path)):
        return
    archive = _git("-C", str(top), "archive", "--format=tar", commit, "--", _literal(path))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(into, filter=_without_links_out)  # noqa: S202 - the filter is what the rule asks for
        links = [Path(os.path.normpath(Path(one.name).parent / one.linkname)) for one in tar if one.issym()]
    for target in links:
        if not target.is_absolute() and target.parts[:1] != ("..",) and not os.path.lexists(into / target):
            _extract(commit, top, target, into)


def _literal(path: Path) -> str:
    """A path that git does not take for a pattern."""
    return f":(literal){path}"


def _without_links_out(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, into)
    except tarfile.FilterError:
        return None


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - the user's git, no shell
    except FileNotFoundError as error:
        raise NoRevisionError("git is not installed") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise NoRevisionError(said or "is not a revision of this repository; in a shallow clone, fetch it first")
    return done.stdout
