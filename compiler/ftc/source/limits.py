"""How large and how deep a text may be; what is within the limits is safe to compose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import yaml

from ftc.diagnostics.model import Position
from ftc.source.finding import position_of, problem

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic

# A file larger or deeper than this is no configuration; the limits keep aliases ("YAML bombs") and nesting harmless.
MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64
# A stream of manifests may be longer than a configuration; each of its documents may not be larger than one.
MAX_STREAM_BYTES = 20_000_000
MAX_STREAM_NODES = 200_000
MAX_DOCUMENTS = 20_000
_BEYOND = "is too large or too deep to be read"


def beyond_limits(text: str, source: str) -> Diagnostic | None:
    """Nesting that libyaml's composer, which recurses in C, would crash on; its parser's events come without.

    Also more nodes than memory should hold, which the events are counted for.
    """
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
        return None  # the loader says it with its position
    return None


class Inside(NamedTuple):
    """The mappings of a document, its size with what aliases repeat, and what is beyond limits."""

    mappings: list[yaml.MappingNode]
    nodes: int
    letters: int
    beyond: Diagnostic | None = None


def inside(root: yaml.Node, source: str, most: int = MAX_NODES, letters: int = MAX_BYTES) -> Inside:
    """What is in a document, no further than the limits; one of a stream may have as much as the others leave."""
    found: list[yaml.MappingNode] = []
    stack = [(root, 1)]
    seen = length = 0
    while stack:
        node, depth = stack.pop()
        seen += 1
        length += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if seen > min(most, MAX_NODES) or length > letters or depth > MAX_DEPTH:
            beyond = problem(_BEYOND, position_of(node.start_mark, source), "look for aliases (*name)")
            return Inside(found, seen, length, beyond)
        if isinstance(node, yaml.MappingNode):
            found.append(node)
            stack += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += [(child, depth + 1) for child in node.value]
    return Inside(found, seen, length)
