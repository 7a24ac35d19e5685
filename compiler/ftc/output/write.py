"""Files in a directory, replaced whole."""

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
    """A text whose first line lists the files that were written with it."""
    return f"{_MARK}{' '.join(names)}\n{text}"


def also_marked(text: str, names: Iterable[str]) -> str:
    """A marked text that lists more files."""
    first, _, rest = text.partition("\n")
    return marked(rest, dict.fromkeys((*first.removeprefix(_MARK).split(), *names)))


def written_before(file: Path, known: Iterable[str]) -> tuple[str, ...]:
    """The files that the last compile wrote, as the marked file says; only names that a compile can write count."""
    try:
        first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ()
    named = first.removeprefix(_MARK).split() if first.startswith(_MARK) else []
    return tuple(name for name in known if name in named)


def foreign(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str]) -> list[str]:
    """Files in the way that the last compile has not written."""
    return [a.name for a in artifacts if a.name not in before and os.path.lexists(directory / a.name)]


def write(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str], journal: Artifact) -> list[str]:
    """Write the artifacts; what was written `before` and is not made any more is deleted, and returned.

    All are written to a directory next to their places first, then renamed: a reader sees the old file or the new one,
    and a link is replaced, not followed. OSError says what the system refused.

    The journal has the name of one of the artifacts, the one that lists the others, and lists the files of both
    compiles. It comes first and its artifact last, so that the next compile knows every file that a killed one may have
    left. What is stale goes before anything new comes: there are never two manifests of one run.
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
        os.replace(scratch / "journal", directory / journal.name)  # noqa: PTH105 - as atomic as it reads
        for name in stale:
            (directory / name).unlink()
        for name in sorted(names, key=journal.name.__eq__):
            os.replace(scratch / name, directory / name)  # noqa: PTH105 - as atomic as it reads
    finally:
        remove(scratch)
    return stale


def _is_file(place: Path) -> bool:
    return place.is_symlink() or place.is_file()


def remove(place: Path) -> None:
    """Remove what ftc has made, a directory with all that is in it; of a link only the link."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
