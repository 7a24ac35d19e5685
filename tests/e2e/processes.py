"""The information that others can see about running programs: their command lines and their files."""

from __future__ import annotations

import os
from pathlib import Path


def arguments_with(text: str) -> set[str]:
    """The command lines of the machine's processes that contain a text."""
    found = set()
    for process in os.listdir("/proc"):  # noqa: PTH208 - fast, as processes come and go
        line = _read(Path("/proc", process, "cmdline")) if process.isdigit() else b""
        if text.encode() in line:
            found.add(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def files_with(text: str, directory: Path) -> set[str]:
    """The files below a directory that contain a text; files may change during the search."""
    files = [Path(parent, name) for parent, _, names in os.walk(directory) for name in names]
    return {str(file) for file in files if file.is_file() and text.encode() in _read(file)}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
