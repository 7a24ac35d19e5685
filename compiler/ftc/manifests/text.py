"""Texts inside a YAML file, such as scripts and configurations, with the position of each character."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from ftc.diagnostics.model import Diagnostic, KeyPath, Position
from ftc.source import Document, parse
from ftc.source.unknown import has_placeholder
from ftc.spec.base import Json

if TYPE_CHECKING:
    from collections.abc import Iterator


class Text(msgspec.Struct, frozen=True):
    """A scalar of a document, or a part of one that begins at its character `start`."""

    document: Document
    path: KeyPath
    value: str
    start: int = 0

    def part(self, start: int, end: int) -> Text:
        """The characters from `start` to `end`, as a separate text."""
        return Text(self.document, self.path, self.value[start:end], self.start + start)

    def at(self, offset: int = 0) -> Spot:
        """The place of one character."""
        return Spot(self.document, self.path, self.start + offset)

    def at_line(self, line: int, column: int) -> Spot:
        """The place of a line and column of this text, both counted from 1."""
        lines = self.value.split("\n")
        return self.at(sum(len(before) + 1 for before in lines[: line - 1]) + column - 1)


class Spot(msgspec.Struct, frozen=True):
    """A key of a document, or a character of the scalar at it."""

    document: Document
    path: KeyPath
    offset: int | None = None

    def text(self, value: str) -> Text:
        """The scalar at this key, whose value is given, as a text."""
        return Text(self.document, self.path, value)

    def position(self) -> Position:
        """The place in the file; in a folded or quoted scalar that of the nearest non-blank character."""
        node = _node(self.document.root, self.path)
        if self.offset is None or not isinstance(node, yaml.ScalarNode):
            return self.document.position(self.path)
        index = _index(node, self.document.text, self.offset)
        text = self.document.text
        return Position(self.document.source, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _node(root: yaml.Node | None, path: KeyPath) -> yaml.Node | None:
    node = root
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return None
    return node


def _index(node: yaml.ScalarNode, text: str, offset: int) -> int:
    """The index in the file of the character at `offset` of a scalar.

    Every style keeps the order of non-blank characters, so these are counted.
    """
    before = sum(1 for character in node.value[:offset] if not character.isspace())
    end = node.start_mark.index
    for start, stop in _letters(text, node):
        if before == 0:
            return start
        before, end = before - 1, stop
    return end


def _letters(text: str, node: yaml.ScalarNode) -> Iterator[tuple[int, int]]:
    """The start and end, in the file, of each non-blank character of a scalar."""
    index, stop = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        index = text.find("\n", index) + 1 or stop
    elif node.style:
        index, stop = index + 1, stop - 1
    while index < stop:
        width, blank = _width(text, index, node.style)
        if not blank:
            yield index, index + width
        index += width


_HEX = {"x": 2, "u": 4, "U": 8}


def _width(text: str, index: int, style: str | None) -> tuple[int, bool]:
    """The number of characters in the file for one character of the scalar, and whether it is a blank."""
    character, following = text[index], text[index + 1 : index + 2]
    if style == "'" and character == following == "'":
        return 2, False
    if style == '"' and character == "\\":
        return 2 + _HEX.get(following, 0), following in "\n\r ntrvfLNP_e\t"
    return 1, character.isspace()


class Held(msgspec.Struct, frozen=True):
    """A YAML or JSON file whose full content is in the input; `text` is missing for a document of the input."""

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
        """A value that a shell does not fill in."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return None if isinstance(value, str) and has_placeholder(value) else value


def held(text: Text) -> tuple[Held | None, tuple[Diagnostic, ...]]:
    """The content of a YAML or JSON text, and why it cannot be parsed."""
    document, problems = parse(text.value, text.document.source)
    return (Held(document, document.data, text) if document is not None else None), problems
