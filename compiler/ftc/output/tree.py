"""Write many directories below one, each replaced as a whole."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Self

from ftc.output.write import remove, written_before

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftc.output.artifact import Artifact

# One hidden directory holds unfinished output and the list of what the run may write, so that the next run can remove
# the leftovers of a stopped one. kubectl ignores the suffix of the list's name.
UNFINISHED = ".ftc-unfinished"
_RUNS = "runs"


class ForeignError(Exception):
    """A directory holds files that ftc did not write."""


class Tree:
    """The directories below `root`. `names` are the files that a compile may write, `lists` the one that names them.

    Raises OSError if the system refuses, and ForeignError, before anything is changed, for a directory with other
    files.
    """

    def __init__(self, root: Path, names: Collection[str], lists: str) -> None:
        self._root, self._names, self._lists = root, names, lists
        self._work = root / UNFINISHED

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            shutil.rmtree(self._work, ignore_errors=True)
        else:
            self._clear()

    def begin(self, directories: Collection[str]) -> set[str]:
        """Record all directories that may be written or removed, with those that a stopped run left; return them.

        A name that leads elsewhere is ignored.
        """
        if self._work.is_symlink():
            self._work.unlink()
        runs = self._work / _RUNS
        left = runs.read_text(encoding="utf-8").splitlines() if runs.exists() else ()
        touched = {name for name in (*directories, *left) if name and name[0] != "." and "/" not in name}
        for directory in sorted(touched):
            self._is_there(directory)
        self._work.mkdir(parents=True, exist_ok=True)
        self._clear()
        self._replace(runs, "".join(f"{directory}\n" for directory in sorted(touched)))
        return touched

    def _clear(self) -> None:
        """Remove unfinished output; the list stays for the next run."""
        for one in self._work.glob("*"):
            if one.name != _RUNS:
                remove(one)

    def put(self, directory: str, artifacts: Sequence[Artifact]) -> None:
        """Write a directory in place of the old one, unless both are equal."""
        place = self._root / directory
        texts = {artifact.name: artifact.text.encode() for artifact in artifacts}
        if self._is_there(directory) and _contents(place) == texts:
            return
        made = self._work / "new"
        made.mkdir()
        for name, text in texts.items():
            (made / name).write_bytes(text)
        self.drop(directory)
        made.rename(place)

    def drop(self, directory: str) -> bool:
        """Remove a directory that a compile wrote; return whether it existed."""
        place = self._root / directory
        there = self._is_there(directory)
        if there:
            place.rename(self._work / "old")
            shutil.rmtree(self._work / "old")
        return there

    def file(self, name: str, text: str) -> None:
        """Write a file next to the directories."""
        self._replace(self._root / name, text)

    def _replace(self, file: Path, text: str) -> None:
        made = self._work / f"{file.name}.new"
        made.write_text(text, encoding="utf-8", newline="\n")
        os.replace(made, file)  # noqa: PTH105 - the atomic rename

    def _is_there(self, directory: str) -> bool:
        """Whether a directory exists; a link, or a directory with files of others, raises ForeignError."""
        place = self._root / directory
        if place.is_symlink():
            raise ForeignError(f"{place} is a link")
        if not place.exists():
            return False
        others = {file.name for file in place.iterdir()} - set(written_before(place / self._lists, self._names))
        if others:
            raise ForeignError(f"{place} has files that ftc did not write ({', '.join(sorted(others))})")
        return True


def _contents(place: Path) -> dict[str, bytes]:
    """The files of a directory, without links, which no run has."""
    return {file.name: file.read_bytes() for file in place.iterdir() if not file.is_symlink()}
