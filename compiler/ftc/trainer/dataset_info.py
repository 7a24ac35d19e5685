"""Generate dataset_info.json for data whose source lacks it."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftc.spec.base import Json


def text(info: dict[str, Json], data: str, here: str) -> str:
    """The text of the file in directory `here`, with file names relative to it for files in directory `data`.

    LLaMA-Factory joins a relative name to the directory of dataset_info.json and uses an absolute one as is.
    """
    directory = data if data.startswith("/") else posixpath.relpath(data, here)
    return _text({name: _entry(entry, directory) for name, entry in info.items()})


def of_hub(info: dict[str, Json], repository: str) -> str:
    """The text of the file for a repository that LLaMA-Factory downloads (data/parser.py, `hf_hub_url`).

    It does not name files there. A name without a file's suffix is a directory, which is a `folder` of the repository.
    """
    return _text({name: _entry_of_hub(entry, repository) for name, entry in info.items()})


def _text(entries: dict[str, Json]) -> str:
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry_of_hub(entry: Json, repository: str) -> Json:
    name = entry.get("file_name")
    folder = {"folder": name} if isinstance(name, str) and posixpath.normpath(name) != "." else {}
    rest = {key: value for key, value in entry.items() if key != "file_name"}
    return {"hf_hub_url": repository, **folder, **rest}


PLACES = ("file_name", "script_url")


def _entry(entry: Json, directory: str) -> Json:
    """The entry with joined names; absolute names do not change."""
    named = {key: entry[key] for key in PLACES if isinstance(entry.get(key), str)}
    return {**entry, **{key: _joined(directory, name) for key, name in named.items()}}


def _joined(directory: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(directory, name))
