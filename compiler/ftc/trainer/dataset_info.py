"""dataset_info.json for data whose source has none."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.spec.base import Json


def text(info: dict[str, Json], data: str, here: str) -> str:
    """The text of the file in the directory `here`, with file names that lead from there to the directory `data`.

    LLaMA-Factory joins a name to the directory of dataset_info.json and takes an absolute one as it is.
    """
    directory = data if data.startswith("/") else posixpath.relpath(data, here)
    entries = {name: _entry(entry, directory) for name, entry in info.items()}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry(entry: Json, directory: str) -> Json:
    """An absolute name stays: it stands for itself."""
    name = entry.get("file_name")
    return {**entry, "file_name": posixpath.join(directory, name)} if isinstance(name, str) else entry
