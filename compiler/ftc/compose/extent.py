"""The size of data once its references are replaced, computed before they are replaced.

`a: ${b}${b}` doubles b, whether it is a string, a list or a mapping: thirty such lines would fill the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.compose.plain import MAX_BROUGHT, MAX_HOPS, VALUE
from ftc.compose.references import referred

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

# Levels below a reference.
MAX_DEPTH = 64


class BeyondError(Exception):
    """References expand to too much data, or form too long a chain."""

    def __init__(self, path: KeyPath, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def measure(data: Any) -> None:
    """Raise BeyondError at the first reference that exceeds a limit; an unresolvable reference has size 0."""
    _Extent(data).add(data, ())


class _Extent:
    def __init__(self, data: Any) -> None:
        self._data = data
        self._known: dict[KeyPath, int] = {}
        self._brought = 0

    def add(self, value: Any, path: KeyPath) -> None:
        """Add the size of the references in a value."""
        for key, inner in _children(value):
            self.add(inner, (*path, key))
        if isinstance(value, str) and "${" in value:
            self._brought += self._size(value, path, 0, 0)
            self._hold(self._brought, path)

    def _size(self, value: Any, path: KeyPath, hops: int, depth: int) -> int:
        """The size of a value with its references replaced; a cycle, which composition reports, has size 0."""
        if hops > MAX_HOPS:
            raise BeyondError(path, f"follows a chain of more than {MAX_HOPS} references")
        if depth > MAX_DEPTH:
            raise BeyondError(path, f"is nested deeper than {MAX_DEPTH} levels once its references are replaced")
        if path not in self._known:
            self._known[path] = 0
            size = VALUE + (len(value) if isinstance(value, str) else 0)
            size += sum(self._size(inner, (*path, key), hops, depth + 1) for key, inner in _children(value))
            for target in referred(value, path) if isinstance(value, str) and "${" in value else ():
                there = self._find(target, hops)
                size += self._size(*there, hops + 1, depth + 1) if there else 0
            self._hold(size, path)
            self._known[path] = size
        return self._known[path]

    def _find(self, path: KeyPath, hops: int) -> tuple[Any, KeyPath] | None:
        """Return the value at a path and the path that holds it; they differ if a reference leads there."""
        value: Any = self._data
        here: KeyPath = ()
        for step in path:
            value, here = self._followed(value, here, hops)
            children = dict(_children(value))
            key = step if step in children else str(step).strip(" '\"")
            if key not in children:
                return None
            value, here = children[key], (*here, key)
        return value, here

    def _followed(self, value: Any, path: KeyPath, hops: int) -> tuple[Any, KeyPath]:
        """Return the mapping or list that a value is or refers to."""
        while isinstance(value, str) and (targets := referred(value, path)):
            hops += 1
            there = self._find(targets[0], hops) if hops <= MAX_HOPS else None
            if there is None:
                return None, path
            value, path = there
        return value, path

    def _hold(self, size: int, path: KeyPath) -> None:
        if size > MAX_BROUGHT:
            raise BeyondError(path, f"expands to more than {MAX_BROUGHT} characters (each value counts as ten)")


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
