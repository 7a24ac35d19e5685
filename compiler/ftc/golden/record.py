"""The record of what ftc wrote into a directory, by which a file that was edited by hand is known."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def text(files: Mapping[str, str]) -> str:
    """A line a file, as `sha256sum --check` reads it."""
    return "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files))


def read(written: str | None) -> dict[str, str]:
    """The digest of each file; lines of another form, such as those of a conflict, say nothing."""
    found = (_LINE.fullmatch(line) for line in (written or "").splitlines())
    return {line[2]: line[1] for line in found if line}


def digest(content: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(content.encode()).hexdigest()
