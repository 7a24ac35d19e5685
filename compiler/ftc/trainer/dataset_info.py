"""dataset_info.json for data whose source has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.spec.base import Json


def text(info: dict[str, Json], directory: str) -> str:
    """The file's text, with the file names made absolute: LLaMA-Factory takes those from any directory."""
    entries = {name: _entry(entry, directory) for name, entry in info.items()}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry(entry: Json, directory: str) -> Json:
    return {**entry, "file_name": f"{directory}/{entry['file_name']}"} if "file_name" in entry else entry
