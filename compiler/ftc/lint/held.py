"""Files that the input holds whole, as what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.lint.text import Spot, Text
from ftc.source import Document, parse
from ftc.source.unknown import has_placeholder
from ftc.spec.base import Json

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic


class Held(msgspec.Struct, frozen=True):
    """A file of YAML or JSON that the input holds whole; `text` is None for a document of the input itself."""

    document: Document
    data: Json
    text: Text | None = None

    def at(self, *path: str | int) -> Spot:
        """The place of a key."""
        if self.text is None:
            return Spot(self.document, path)
        position = self.document.position(path)
        return self.text.at_line(position.line, position.column)

    def value(self, *path: str) -> Any:
        """A value that no shell fills in."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return None if isinstance(value, str) and has_placeholder(value) else value


def held(text: Text) -> tuple[Held | None, tuple[Diagnostic, ...]]:
    """A text of YAML or JSON, and why it cannot be read."""
    document, problems = parse(text.value, text.document.source)
    return (Held(document, document.data, text) if document is not None else None), problems
