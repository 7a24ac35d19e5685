"""Limits on the size and depth of a text; within the limits it is safe to compose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import yaml

from ftc.diagnostics.model import Position
from ftc.source.finding import position_of, problem

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic

# No configuration is larger or deeper; the limits make aliases ("YAML bombs") and nesting harmless.
MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64
# A stream of manifests may be longer than a configuration, but each of its documents may not.
MAX_STREAM_BYTES = 20_000_000
MAX_STREAM_NODES = 200_000
MAX_DOCUMENTS = 20_000
_BEYOND = "is too large or too deeply nested"


def beyond_limits(text: str, source: str) -> Diagnostic | None:
    """Check depth and node count on the parser's events, because libyaml's composer recurses in C and can crash."""
    openings = sum(text.count(opening) for opening in ("[", "{", "- ", "? "))
    nodes = openings + 2 * (text.count(":") + text.count(",") + text.count("\n"))
    if text.count("\n---") > MAX_DOCUMENTS:
        return problem(f"has more than {MAX_DOCUMENTS} documents", Position(source, 1, 1))
    if openings <= MAX_DEPTH and nodes <= MAX_STREAM_NODES:
        return None
    depth = 0
    try:
        for seen, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or seen > 2 * MAX_STREAM_NODES:
                return problem(_BEYOND, position_of(event.start_mark, source))
    except yaml.YAMLError:
        return None  # the loader reports it with its position
    return None


class Inside(NamedTuple):
    """The mappings of a document, its size including what aliases repeat, and any excess."""

    mappings: list[yaml.MappingNode]
    nodes: int
    letters: int
    beyond: Diagnostic | None = None


def inside(root: yaml.Node, source: str, most: int = MAX_NODES, letters: int = MAX_BYTES) -> Inside:
    """Walk a document up to the limits; `most` and `letters` are what earlier documents of a stream leave."""
    found: list[yaml.MappingNode] = []
    stack = [(root, 1)]
    seen = length = 0
    while stack:
        node, depth = stack.pop()
        seen += 1
        length += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if seen > min(most, MAX_NODES) or length > letters or depth > MAX_DEPTH:
            beyond = problem(_BEYOND, position_of(node.start_mark, source), "check its aliases (*name)")
            return Inside(found, seen, length, beyond)
        if isinstance(node, yaml.MappingNode):
            found.append(node)
            stack += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += [(child, depth + 1) for child in node.value]
    return Inside(found, seen, length)
