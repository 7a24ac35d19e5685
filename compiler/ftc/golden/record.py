"""The record of the files that ftc wrote into a directory, which reveals those that were edited by hand."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def text(files: Mapping[str, str]) -> str:
    """Write one line per file, as `sha256sum --check` reads it."""
    return "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files))


def read(written: str | None) -> dict[str, str]:
    """The digest of each file; lines in another form, such as conflict markers, are ignored."""
    found = (_LINE.fullmatch(line) for line in (written or "").splitlines())
    return {line[2]: line[1] for line in found if line}


def digest(content: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(content.encode()).hexdigest()
