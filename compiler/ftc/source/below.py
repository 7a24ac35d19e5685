"""The files below a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


def files_below(directory: Path) -> Iterator[Path]:
    """The files below a directory, in order, except hidden ones.

    Raises OSError for a directory that cannot be read: what it contains must not pass as checked or compared.
    """
    for here, directories, names in os.walk(directory, onerror=_refuse):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def _refuse(error: OSError) -> NoReturn:
    raise error
