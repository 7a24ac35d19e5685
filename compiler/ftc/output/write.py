"""Write files into a directory, each replaced as a whole."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ftc.output.artifact import Artifact


_MARK = "# ftc wrote: "
SCRATCH = ".ftc-new"


def marked(text: str, names: Iterable[str]) -> str:
    """Add a first line that lists the files written with a text."""
    return f"{_MARK}{' '.join(names)}\n{text}"


def also_marked(text: str, names: Iterable[str]) -> str:
    """Add files to the list of a marked text."""
    first, _, rest = text.partition("\n")
    return marked(rest, dict.fromkeys((*first.removeprefix(_MARK).split(), *names)))


def written_before(file: Path, known: Iterable[str]) -> tuple[str, ...]:
    """The files that the last compile wrote, according to the marked file; only names that ftc can write count."""
    try:
        first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ()
    named = first.removeprefix(_MARK).split() if first.startswith(_MARK) else []
    return tuple(name for name in known if name in named)


def foreign(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str]) -> list[str]:
    """The files in the way that the last compile did not write."""
    return [a.name for a in artifacts if a.name not in before and os.path.lexists(directory / a.name)]


def write(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str], journal: Artifact) -> list[str]:
    """Write the artifacts; delete and return the files written `before` that are no longer made.

    All are written to a scratch directory first, then renamed: a reader sees the old file or the new one, and a link is
    replaced, not followed. Raises OSError if the system refuses.

    The journal has the name of one of the artifacts, the one that lists the others, and lists the files of both
    compiles. It is written first and its artifact last, so that the next compile knows every file that a killed one may
    have left. Stale files are removed before new ones appear: there are never two manifests of one run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = [artifact.name for artifact in artifacts]
    for name in names:
        if (directory / name).is_dir() and not (directory / name).is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(directory / name))
    stale = sorted(name for name in set(before) - set(names) if _is_file(directory / name))
    scratch = directory / SCRATCH
    remove(scratch)
    scratch.mkdir()
    try:
        for name, text in [("journal", journal.text), *((one.name, one.text) for one in artifacts)]:
            (scratch / name).write_text(text, encoding="utf-8", newline="\n")
        os.replace(scratch / "journal", directory / journal.name)  # noqa: PTH105 - the atomic rename
        for name in stale:
            (directory / name).unlink()
        for name in sorted(names, key=journal.name.__eq__):
            os.replace(scratch / name, directory / name)  # noqa: PTH105 - the atomic rename
    finally:
        remove(scratch)
    return stale


def _is_file(place: Path) -> bool:
    return place.is_symlink() or place.is_file()


def remove(place: Path) -> None:
    """Remove what ftc made, a directory with its content; a link is removed, not followed."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
