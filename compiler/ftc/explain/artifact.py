"""The documents of an artifact: the value at a path or a line, and the place of the same value in another one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

from ftc.explain.paths import Found, find, opened
from ftc.plan.files import OF_THE_TRAINER
from ftc.plan.merge import MERGE_KEYS

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan


class Item(NamedTuple):
    """An item of a list, identified by its merge keys: its index changes if another item is inserted before it."""

    keys: tuple[str, ...]
    values: tuple[Any, ...]


Address: TypeAlias = "tuple[str | int | Item, ...]"
Documents: TypeAlias = dict[str, Any]
ABSENT = object()


def documents(text: str, run: RunPlan) -> Documents:
    """The output of a target: a manifest's documents by kind, the trainer's by file name."""
    loaded = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    return dict(zip(_names(loaded, run), loaded, strict=True))


def _names(loaded: list[Any], run: RunPlan) -> list[str]:
    files = [file.name for file in run.files if file.name in OF_THE_TRAINER]
    return [str(one["kind"]) if "apiVersion" in one else files[index] for index, one in enumerate(loaded)]


def address(document: Any, path: KeyPath) -> Address:
    """The address of the value at a path."""
    found: list[str | int | Item] = []
    value, field = document, ""
    for index, step in enumerate(path):
        value = opened(value, path[:index])
        found.append(item(value, step, field) if isinstance(value, list) and isinstance(step, int) else step)
        value, field = value[step], str(step)
    return tuple(found)


def item(items: list[Any], index: int, field: str) -> int | Item:
    """The item at an index of the list `field`; the index itself if nothing identifies the item."""
    return steps(items, field)[index]


def steps(items: list[Any], field: str) -> list[int | Item]:
    """Each item of the list `field`, as `item` says."""
    keys = MERGE_KEYS.get(field, ("name",))
    known = [_told_apart(item, keys) for item in items]
    counts = Counter(known)
    return [Item(keys, values) if values and counts[values] == 1 else i for i, values in enumerate(known)]


def _told_apart(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of the merge keys; empty if all are missing, or if one is a collection."""
    values = tuple(item.get(key) for key in keys) if isinstance(item, dict) else ()
    plain = not any(isinstance(value, dict | list) for value in values)
    return values if plain and any(value is not None for value in values) else ()


def look(document: Any, where: Address) -> Any:
    """The value at an address, or ABSENT."""
    value: Any = document
    path: list[str | int] = []
    for step in where:
        value = opened(value, tuple(path))
        value = _take(value, step)
        if value is ABSENT:
            return ABSENT
        path.append(step if isinstance(step, str | int) else 0)
    return value


def _take(value: Any, step: str | int | Item) -> Any:
    if isinstance(step, Item):
        items = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        return next((i for i in items if tuple(i.get(key) for key in step.keys) == step.values), ABSENT)
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return ABSENT


class Place(NamedTuple):
    """A document of an artifact and a path in it."""

    document: str
    path: KeyPath


def at_line(text: str, number: int, names: list[str]) -> Place | None:
    """The place of a line of the artifact, counted from 1; None for a line without a value."""
    for name, root in zip(names, yaml.compose_all(text, Loader=yaml.CSafeLoader), strict=True):
        if root.start_mark.line < number <= root.end_mark.line:
            return Place(name, _on_line(root, number - 1))
    return None


def _on_line(node: yaml.Node, line: int) -> KeyPath:
    """The innermost key or item that begins on a line or continues over it."""
    pairs = _children(node) if node.start_mark.line != node.end_mark.line else []
    before = [pair for pair in pairs if pair[1] <= line]
    if not before:
        return ()
    step, begins, value = before[-1]
    if begins == line and value.start_mark.line > line:  # a key whose value begins on a later line
        return (step,)
    return (step, *_inside(str(step), value, line))


def _children(node: yaml.Node) -> list[tuple[str | int, int, yaml.Node]]:
    """The keys or indexes of a collection, with the lines on which they begin."""
    if isinstance(node, yaml.MappingNode):
        return [(key.value, key.start_mark.line, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(index, value.start_mark.line, value) for index, value in enumerate(node.value)]
    return []


def _inside(key: str, value: yaml.Node, line: int) -> KeyPath:
    """Descend into a value; a text that is a file has its own lines."""
    if not isinstance(value, yaml.ScalarNode):
        return _on_line(value, line)
    inner = line - value.start_mark.line - 1
    if value.style != "|" or inner < 0 or opened(value.value, (key,)) is value.value:
        return ()
    root = yaml.compose(value.value, Loader=yaml.CSafeLoader)
    return _on_line(root, inner) if root else ()


def place_of(found: Documents, path: KeyPath) -> Place | None:
    """The first document that has a value at a path, and the path with indexes instead of names."""
    for name, document in found.items():
        there = find(document, path)
        if isinstance(there, Found):
            return Place(name, there.path)
    return None
