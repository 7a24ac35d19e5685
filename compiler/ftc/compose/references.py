"""References between keys: `${key.path}` is allowed, `${name:…}` is not.

The size of data once its references are replaced is computed before they are replaced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.compose.plain.values import MAX_BROUGHT, MAX_HOPS, MISSING, VALUE, is_plain
from ftc.compose.types import at, key_path
from ftc.diagnostics.codes import NO_VALUE, RESOLVER
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.compose.types import Composed


_WRITE_REFERENCE = "write ${key.path}, or the value itself; write \\${ for a literal ${"
_FROM_ENVIRONMENT = 'pass the value as an override: ftc compile KEY="$VARIABLE"'


def resolver_problems(value: object, path: KeyPath, at: Callable[[KeyPath], Position]) -> Iterator[Diagnostic]:
    """Report every `${name:…}`: it could read the environment or the clock, so the output would not be reproducible."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from resolver_problems(inner, (*path, str(key)), at)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from resolver_problems(inner, (*path, index), at)
    elif isinstance(value, str) and (wrong := _wrong(value)):
        yield Diagnostic(
            code=RESOLVER,
            message=wrong,
            path=path,
            position=at(path),
            help=_FROM_ENVIRONMENT if "${oc.env:" in value else _WRITE_REFERENCE,
        )


def without_resolvers(value: Any) -> Any:
    """Remove every value that calls a resolver, so that none is ever called."""
    if isinstance(value, dict):
        return {key: without_resolvers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_resolvers(inner) for inner in value]
    return None if isinstance(value, str) and _wrong(value) else value


# More than anyone writes in one string; the parser recurses.
_MAX_REFERENCES = 64


def _wrong(text: str) -> str:
    """Report what is not a plain reference in a string; empty if all references are plain."""
    if "${" not in text or is_plain(text):
        return ""
    if text.count("${") > _MAX_REFERENCES:
        return f"has more than {_MAX_REFERENCES} references, not all of them plain"
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - OmegaConf takes longer than all of this module
    from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser  # noqa: PLC0415 - the same
    from omegaconf.grammar_parser import parse as parse_interpolation  # noqa: PLC0415 - the same

    try:
        tree = parse_interpolation(text)
    except OmegaConfBaseException:
        tree = None
    if tree is None and text.count("${") > text.count("}"):
        return f"'{text}' has a reference without its closing brace"
    if tree is None or _has(tree, OmegaConfGrammarParser.InterpolationResolverContext):
        return f"'{text}' calls a resolver; only references to keys are allowed"
    if _has(tree, OmegaConfGrammarParser.InterpolationNodeContext, 2):
        return f"'{text}' has a reference inside a reference; only references to keys are allowed"
    return ""


def _has(tree: Any, kind: type, levels: int = 1) -> bool:
    """Whether a tree nests nodes of a kind at least `levels` deep."""
    levels -= isinstance(tree, kind)
    return levels == 0 or any(_has(child, kind, levels) for child in getattr(tree, "children", None) or ())


_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*\$\{(?P<dots>\.*)(?P<key>[^${}:]+)\}")


def referred(text: str, path: KeyPath) -> list[KeyPath]:
    """The keys that a value at `path` refers to; one dot means the mapping that contains the value, two its parent."""
    return [
        (*(path[: -len(found["dots"])] if found["dots"] else ()), *key_path(found["key"]))
        for found in _REFERENCE.finditer(text)
    ]


def resolved(value: Any, path: KeyPath, data: Any) -> Any:
    """A value as it is set at `path`; in a string, the values of the keys to which it refers in the composed `data`.

    A reference to a key that does not exist stays: the value may be one that another setting replaces.
    """

    def there(found: re.Match[str]) -> str:
        try:
            return str(at(data, referred(found[0], path)[0]))
        except (KeyError, IndexError, TypeError):
            return found[0]

    return _REFERENCE.sub(there, value) if isinstance(value, str) else value


def missing(value: object, path: KeyPath, composed: Composed) -> Iterator[Diagnostic]:
    """Report every value that is still `???`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from missing(inner, (*path, key), composed)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from missing(inner, (*path, index), composed)
    elif value == MISSING:
        yield Diagnostic(
            code=NO_VALUE,
            message="needs a value",
            path=path,
            position=composed.position(path),
            help=f"set {dotted(path)}=…",
        )


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
