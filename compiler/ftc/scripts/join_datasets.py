"""join_datasets.py INFO RESULT MEDIA (DIRECTORY NAMES)...: one dataset_info.json for datasets of several sources.

RESULT gets the entries of INFO, and the entries NAMES (separated by commas) of the dataset_info.json in each DIRECTORY.
LLaMA-Factory looks for images, videos and audio in MEDIA only.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

PLACES = ("file_name", "script_url")
MEDIA_COLUMNS = ("images", "videos", "audios")


def described(directory: pathlib.Path, name: str) -> dict[str, Any]:
    """The entry of a dataset, with absolute names of files."""
    info = directory / "dataset_info.json"
    try:
        entry: dict[str, Any] = dict(json.loads(info.read_text(encoding="utf-8"))[name])
        named = {key: os.path.normpath(directory / entry[key]) for key in PLACES if key in entry}
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"ftc: error: cannot read dataset {name!r} of {info}: {type(error).__name__}: {error}")
    return {**entry, **named}


def warn_of_media(directory: pathlib.Path, name: str, entry: dict[str, Any], media: str) -> None:
    """Names of media are relative to one directory; a name in a row may be absolute."""
    columns = entry.get("columns")
    has_media = isinstance(columns, dict) and any(columns.get(column) for column in MEDIA_COLUMNS)
    if has_media and directory != pathlib.Path(media).resolve():
        message = f"dataset {name!r} of {directory} has media, but the trainer looks for them in {media}"
        sys.stdout.write(f"ftc: warning: {message}\n")


def main(info: str, result: str, media: str, *pairs: str) -> None:
    """Write the file; several nodes that share the directory write the same content."""
    entries = json.loads(pathlib.Path(info).read_text(encoding="utf-8"))
    for place, names in zip(pairs[::2], pairs[1::2]):  # noqa: B905 - `strict` needs Python 3.10
        directory = pathlib.Path(place).resolve()
        for name in names.split(","):
            entries[name] = described(directory, name)
            warn_of_media(directory, name, entries[name], media)
    file = pathlib.Path(result)
    file.parent.mkdir(exist_ok=True)
    new = file.with_name(f".{file.name}.{os.uname().nodename}.{os.getpid()}")
    new.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
