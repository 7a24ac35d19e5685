"""Read the JSON of a model's directory, which is not trusted: sizes, types and names are checked, nothing is run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.spec.base import Json

_MIB = 1 << 20
# config.json of a model is a few KiB, an index with a hundred thousand tensors some MiB.
_LARGEST = {"config.json": 4 * _MIB}
_LARGEST_INDEX = 24 * _MIB
_SHOWN = 60
_LFS = b"version https://git-lfs"


class Problem(msgspec.Struct, frozen=True):
    """A problem at a key of a file, or with the whole file, and a remedy."""

    file: str
    key: str
    message: str
    help: str = ""


class Wrong(Exception):  # noqa: N818 - it is caught where a file is read, and becomes a Problem
    """A file that cannot be used."""

    def __init__(self, file: str, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(file, "", message, help_)


def read_object(directory: Path, name: str) -> Json:
    """The object in a JSON file of the directory."""
    text = read_start(directory, name, _LARGEST.get(name, _LARGEST_INDEX))
    if text.startswith(_LFS):
        raise Wrong(name, "is a pointer of git-lfs, not the file", "run git lfs pull")
    return decoded(name, text)


def read_start(directory: Path, name: str, most: int) -> bytes:
    """The bytes of a file that may have at most `most` of them."""
    file = directory / name
    try:
        if not file.is_file():  # a pipe would block, and a device may be endless
            raise Wrong(name, "does not exist" if not file.exists() else "is not a file")
        with file.open("rb") as opened:
            text = opened.read(most + 1)
    except OSError as error:
        raise Wrong(name, f"cannot be read: {error.strerror or error}") from None
    if len(text) > most:
        raise Wrong(name, f"is larger than {most // _MIB} MiB")
    return text


def decoded(name: str, text: bytes, part: str = "") -> Json:
    """The object that the text of a file, or of a part of it, is."""
    is_ = f"{part} is" if part else "is"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Wrong(name, f"{is_} not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Wrong(name, f"{is_} not an object")
    return value


def shown(value: Any) -> str:
    """A value of a file in a message, shortened."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
