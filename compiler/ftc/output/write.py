"""Files in a directory, replaced whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftc.output.artifact import Artifact


def foreign(directory: Path, names: Iterable[str], mark: str) -> list[str]:
    """Files with names of ours in a directory that no compile has written: one has the file `mark`."""
    if (directory / mark).exists():
        return []
    return sorted(name for name in names if (directory / name).exists())


def write(directory: Path, artifacts: Sequence[Artifact], known: Iterable[str]) -> list[str]:
    """Write the artifacts; what is `known` to be ours and is made no more is deleted, and returned.

    All are written beside their places first, then renamed: a reader sees the old file or the new one. OSError says
    what the system refused.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ftc-", dir=directory) as scratch:
        for artifact in artifacts:
            (Path(scratch) / artifact.name).write_text(artifact.text, encoding="utf-8", newline="\n")
        for artifact in artifacts:
            os.replace(Path(scratch) / artifact.name, directory / artifact.name)  # noqa: PTH105 - as atomic as it reads
    made = {artifact.name for artifact in artifacts}
    stale = sorted(name for name in known if name not in made and (directory / name).exists())
    for name in stale:
        (directory / name).unlink()
    return stale
