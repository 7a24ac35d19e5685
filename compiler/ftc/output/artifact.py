"""One emitted file."""

from __future__ import annotations

import msgspec


class Artifact(msgspec.Struct, frozen=True):
    """A file's name and its text, byte for byte."""

    name: str
    text: str
