"""A YAML document: its data, the position of every key, and findings at positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath


def problem(message: str, position: Position, help_: str = "") -> Diagnostic:
    """A finding in a text that cannot be parsed."""
    return Diagnostic(code=UNREADABLE, message=message, position=position, help=help_)


def position_of(mark: Any, source: str) -> Position:
    """The position of a node's mark; without a mark, the start of the file."""
    return Position(source, mark.line + 1, mark.column + 1) if mark else Position(source, 1, 1)


def position_in(text: str, index: int, source: str) -> Position:
    """The position of a character."""
    before = text[:index]
    return Position(source, before.count("\n") + 1, index - before.rfind("\n"))


class Document(msgspec.Struct, frozen=True):
    """One YAML file: its data, and its nodes with their positions."""

    source: str
    text: str
    data: Any
    root: yaml.Node | None

    def position(self, path: KeyPath) -> Position:
        """The position of the key at `path`, or of its nearest parent in the file."""
        mark = self.root.start_mark if self.root else None
        for key, value in self._steps(path):
            mark = (key or value).start_mark
        return position_of(mark, self.source)

    def depth(self, path: KeyPath) -> int:
        """How many keys of `path` the file contains."""
        return sum(1 for _ in self._steps(path))

    def _steps(self, path: KeyPath) -> Iterator[tuple[yaml.Node | None, yaml.Node]]:
        node = self.root
        for part in path:
            found = _child(node, part)
            if found is None:
                return
            yield found
            node = found[1]


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None
