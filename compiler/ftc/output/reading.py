"""Read with libyaml what `yaml_text` wrote; pieces that were read before are cached.

The values share cached parts, and must not be changed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

# A piece of at most this many characters is read as a whole.
_PIECE = 1000
_MARKER = re.compile(r"^---\n", re.MULTILINE)
_HEAD = re.compile(r" *[A-Za-z][A-Za-z0-9_./-]*:\n(?= *[^ \n])")
_ITEM = re.compile(r" *- [A-Za-z][A-Za-z0-9_./-]*:[ \n]")


def documents(text: str) -> Iterator[Any]:
    """The documents of a text."""
    return (_collection(document, 0) for document in _MARKER.split(text) if document)


def _collection(text: str, indent: int) -> Any:
    """Read the block mapping or block sequence that begins at a column."""
    if text.startswith("- ", indent):
        items: list[Any] = []
        for piece in _pieces(text, f"{' ' * indent}- "):
            items += _item(piece, indent)
        return items
    found: dict[str, Any] = {}
    for piece in _pieces(text, f"{' ' * indent}(?![-:][ \n])[^ \n]"):
        found |= _entry(piece, indent)
    return found


def _pieces(text: str, beginning: str) -> list[str]:
    """Cut a text, which ends with a line break, before the lines that match a beginning."""
    return [f"{piece}\n" for piece in _between(beginning).split(text[:-1])]


@cache
def _between(beginning: str) -> re.Pattern[str]:
    return re.compile(f"\n(?={beginning})")


def _entry(piece: str, indent: int) -> Any:
    """Read a mapping of one key."""
    head = _HEAD.match(piece) if len(piece) > _PIECE else None
    if head is None:
        return _read(piece)
    (key,) = _read(head[0])
    below = piece[head.end() :]
    return {key: _collection(below, indent if below.startswith("- ", indent) else indent + 2)}


def _item(piece: str, indent: int) -> Any:
    """Read a list of one item."""
    if len(piece) > _PIECE and _ITEM.match(piece):
        return [_collection(f"{' ' * (indent + 2)}{piece[indent + 2 :]}", indent + 2)]
    return _read(piece)


@lru_cache(maxsize=8192)
def _read(piece: str) -> Any:
    return yaml.load(piece, Loader=yaml.CSafeLoader)
