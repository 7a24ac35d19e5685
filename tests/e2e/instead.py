"""Replace programs of the machine in a test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def instead(directory: Path, program: str, does: str) -> str:
    """A search path that begins with a replaced program."""
    file = directory / "instead" / program
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    file.chmod(0o755)
    return f"{file.parent}:{os.environ['PATH']}"
