"""Many directories below one, each put in its place whole."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Self

from ftc.output.write import written_before

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftc.output.artifact import Artifact

# One hidden directory holds what is not finished; the next run removes what a killed one has left there.
UNFINISHED = ".ftc-unfinished"


class ForeignError(Exception):
    """A directory holds files that ftc has not written."""


class Tree:
    """The directories below `root`. `names` are the files that a compile may write, `lists` the one that names them.

    OSError says what the system refused.
    """

    def __init__(self, root: Path, names: Collection[str], lists: str) -> None:
        self._root, self._names, self._lists = root, names, lists
        self._work = root / UNFINISHED

    def __enter__(self) -> Self:
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._work, ignore_errors=True)

    def put(self, directory: str, artifacts: Sequence[Artifact]) -> None:
        """Write a directory, in the place of the one that was there; one that is the same already stays."""
        place = self._root / directory
        texts = {artifact.name: artifact.text.encode() for artifact in artifacts}
        if place.exists() and self._is_ours(place) and _contents(place) == texts:
            return
        made = self._work / "new"
        made.mkdir()
        for name, text in texts.items():
            (made / name).write_bytes(text)
        self.drop(directory)
        made.rename(place)

    def drop(self, directory: str) -> None:
        """Remove a directory that a compile has written."""
        place = self._root / directory
        if place.exists() and self._is_ours(place):
            place.rename(self._work / "old")
            shutil.rmtree(self._work / "old")

    def file(self, name: str, text: str) -> None:
        """Write a file beside the directories."""
        (self._work / name).write_text(text, encoding="utf-8", newline="\n")
        os.replace(self._work / name, self._root / name)  # noqa: PTH105 - as atomic as it reads

    def _is_ours(self, place: Path) -> bool:
        others = {file.name for file in place.iterdir()} - set(written_before(place / self._lists, self._names))
        if others:
            raise ForeignError(f"{place} has files that ftc has not written ({', '.join(sorted(others))})")
        return True


def _contents(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place.iterdir()}
