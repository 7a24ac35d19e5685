"""The models that conf/model knows, by their id."""

from __future__ import annotations

from functools import cache

from ftc.resources import directory
from ftc.source import read


@cache
def context_length(model: str) -> int | None:
    """The longest text that a model was made for; None if conf/model does not know the model."""
    for file in sorted((directory("conf") / "model").glob("*.yaml")):
        if f"id: {model}\n" in file.read_text(encoding="utf-8"):
            document, _ = read(file, file.name)
            data = document.data if document is not None else {}
            length = (data.get("architecture") or {}).get("context_length")
            return length if isinstance(length, int) else None
    return None
