"""Read plain YAML in one walk over libyaml's events: the data and the nodes of every document.

Nearly every file is plain: without anchors, aliases, tags, merge keys, odd keys or numbers, and within the limits.
`reading` reads all others, and says what is wrong with them.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

STRING: Final = "tag:yaml.org,2002:str"
_MAPPING: Final = "tag:yaml.org,2002:map"
_SEQUENCE: Final = "tag:yaml.org,2002:seq"
_TYPES: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null"))
# Longer plain scalars are strings, and not worth a place in the cache.
_LONGEST: Final = 64
# PyYAML raises these for invalid YAML, and for a value that does not match its explicit tag (`!!bool maybe`).
NOT_YAML: Final = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)


class NotPlainError(Exception):
    """A text is not plain YAML; it may be valid."""


class Limits(NamedTuple):
    """The most nodes and the greatest depth of a plain text, and which unquoted scalars are not plain."""

    nodes: int
    depth: int
    is_odd: Callable[[yaml.ScalarNode], bool] | None = None


def plain_documents(
    text: str, loader: type[yaml.CSafeLoader], limits: Limits
) -> tuple[tuple[Any, yaml.Node], ...] | None:
    """The data and the root of each document as the loader would construct them; None if the text is not plain."""
    events = loader(text)
    builder = _Builder(loader, limits)
    try:
        for event in iter(events.get_event, None):
            # The events of streams and documents have no content.
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(builder, event)
    except (NotPlainError, *NOT_YAML):
        return None
    finally:
        events.dispose()
    return tuple(builder.documents)


class _Builder:
    """Builds documents from events.

    `data` and `node` are the collection that is open, `key` is the key whose value follows, and `above` has the
    collections around the open one.
    """

    def __init__(self, loader: type[yaml.CSafeLoader], limits: Limits) -> None:
        self.documents: list[tuple[Any, yaml.Node]] = []
        self.loader = loader
        self.limits = limits
        self.data: Any = None
        self.node: Any = None
        self.key: yaml.ScalarNode | None = None
        self.above: list[tuple[Any, Any]] = []
        self.seen = 0

    def scalar(self, event: Any) -> None:
        text = event.value
        tag, made = _scalar(self.loader, text, self.limits.is_odd) if event.implicit[0] else (STRING, text)
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark, event.style)
        self.check(event)
        if self.key is None and type(self.data) is dict:
            if tag != STRING or text in self.data:
                raise NotPlainError
            self.data[text] = None
            self.key = node
        elif self.node is None:
            self.documents.append((made, node))
        else:
            self.add(made, node)

    def mapping(self, event: Any) -> None:
        self.begin(event, {}, yaml.MappingNode(_MAPPING, [], event.start_mark, None, event.flow_style))

    def sequence(self, event: Any) -> None:
        self.begin(event, [], yaml.SequenceNode(_SEQUENCE, [], event.start_mark, None, event.flow_style))

    def begin(self, event: yaml.NodeEvent, made: Any, node: yaml.CollectionNode) -> None:
        self.check(event)
        if self.key is None and type(self.data) is dict:
            raise NotPlainError
        if self.node is not None:
            self.add(made, node)
        self.above.append((self.data, self.node))
        self.data, self.node = made, node

    def end(self, event: yaml.CollectionEndEvent) -> None:
        made, node = self.data, self.node
        node.end_mark = event.end_mark
        self.data, self.node = self.above.pop()
        if self.node is None:
            self.documents.append((made, node))

    def alias(self, _: yaml.AliasEvent) -> None:
        raise NotPlainError

    def check(self, event: Any) -> None:
        self.seen += 1
        deep = len(self.above) >= self.limits.depth
        if event.anchor or event.tag or deep or self.seen > self.limits.nodes:
            raise NotPlainError

    def add(self, made: Any, node: yaml.Node) -> None:
        """Add a value to the open collection."""
        if self.key is not None:
            self.data[self.key.value] = made
            self.node.value.append((self.key, node))
            self.key = None
        else:
            self.data.append(made)
            self.node.value.append(node)


_HANDLERS: dict[type, Callable[[_Builder, Any], None]] = {
    yaml.ScalarEvent: _Builder.scalar,
    yaml.MappingStartEvent: _Builder.mapping,
    yaml.SequenceStartEvent: _Builder.sequence,
    yaml.MappingEndEvent: _Builder.end,
    yaml.SequenceEndEvent: _Builder.end,
    yaml.AliasEvent: _Builder.alias,
}


def _scalar(loader: Any, text: str, is_odd: Callable[[yaml.ScalarNode], bool] | None) -> tuple[str, Any]:
    """The tag and the value of an unquoted scalar."""
    made = _of_plain.__wrapped__ if len(text) > _LONGEST else _of_plain
    return made(loader, text, is_odd)


@lru_cache(maxsize=8192)
def _of_plain(loader: Any, text: str, is_odd: Callable[[yaml.ScalarNode], bool] | None) -> tuple[str, Any]:
    reader = _reader(loader)
    node = yaml.ScalarNode(reader.resolve(yaml.ScalarNode, text, (True, False)), text, style="")
    if (is_odd is not None and is_odd(node)) or node.tag not in (STRING, *_TYPES):
        raise NotPlainError
    return node.tag, text if node.tag == STRING else reader.yaml_constructors[node.tag](reader, node)


@cache
def _reader(loader: Any) -> Any:
    """A loader for single scalars; to make one takes longer than to read a file."""
    return loader("")
