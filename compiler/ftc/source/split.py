"""Overrides that YAML splits at their commas: `[nodes=1,2]` is a list of two items."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import yaml

from ftc.source.reading import position_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import Position
    from ftc.source.reading import Document


def split_overrides(document: Document, key: str) -> Iterator[tuple[Position, str]]:
    """The place and the whole text of each override that is split, in the list at a key or in lists that it has."""
    pairs = document.root.value if isinstance(document.root, yaml.MappingNode) else []
    lists = [value for name, value in pairs if name.value == key and isinstance(value, yaml.SequenceNode)]
    lists += [one for value in lists for one in value.value if isinstance(one, yaml.SequenceNode)]
    for items in (one.value for one in lists if one.flow_style):
        starts = [i for i, item in enumerate(items) if not _is_rest(item)]
        for start, end in pairwise([*starts, len(items)]):
            if end - start > 1 and isinstance(items[start], yaml.ScalarNode) and "=" in items[start].value:
                text = ",".join(item.value for item in items[start:end])
                yield position_of(items[start].start_mark, document.source), text


def _is_rest(item: yaml.Node) -> bool:
    """Whether an item without quotes is not an override by itself."""
    return isinstance(item, yaml.ScalarNode) and not item.style and not re.search("^~|=", item.value)
