"""References between keys: `${key.path}` is allowed, `${name:…}` is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse as parse_interpolation

from ftc.compose.plain import MISSING, is_plain
from ftc.compose.types import key_path
from ftc.diagnostics.codes import NO_VALUE, RESOLVER
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.compose.types import Composed


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
            help="write ${key.path}, or the value itself; write \\${ for a literal ${",
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
    try:
        tree = parse_interpolation(text)
    except OmegaConfBaseException:
        tree = None
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
