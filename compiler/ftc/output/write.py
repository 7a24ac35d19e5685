"""Files in a directory, replaced whole."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftc.output.artifact import Artifact


_MARK = "# ftc wrote: "


def marked(text: str, names: Iterable[str]) -> str:
    """A text that tells, in its first line, which files were written with it."""
    return f"{_MARK}{' '.join(names)}\n{text}"


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
    return [a.name for a in artifacts if a.name not in before and (directory / a.name).exists()]


def write(directory: Path, artifacts: Sequence[Artifact], before: Iterable[str]) -> list[str]:
    """Write the artifacts; what was written `before` and is made no more is deleted, and returned.

    All are written beside their places first, then renamed: a reader sees the old file or the new one. OSError says
    what the system refused.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for artifact in artifacts:
        if (directory / artifact.name).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(directory / artifact.name))
    with tempfile.TemporaryDirectory(prefix=".ftc-", dir=directory) as scratch:
        for artifact in artifacts:
            (Path(scratch) / artifact.name).write_text(artifact.text, encoding="utf-8", newline="\n")
        for artifact in artifacts:
            os.replace(Path(scratch) / artifact.name, directory / artifact.name)  # noqa: PTH105 - as atomic as it reads
    made = {artifact.name for artifact in artifacts}
    stale = sorted(name for name in set(before) - made if (directory / name).is_file())
    for name in stale:
        (directory / name).unlink()
    return stale
