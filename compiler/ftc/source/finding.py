"""Findings in text that is not parsed yet, and their positions."""

from __future__ import annotations

from typing import Any

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position


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
