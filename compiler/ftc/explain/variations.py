"""Every valid spec that differs from a given one in one leaf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.spec.schema import definition, spec_schema, variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath

# A key that no map has.
_NEW = "added"
_OPEN: dict[str, Any] = {}


class Variation(NamedTuple):
    """The key that gets another value; `any_key` means any key (or item) that is added to it."""

    path: KeyPath
    value: Any
    any_key: bool = False


def variations(data: dict[str, Any], name: str) -> Iterator[Variation]:
    """Vary each leaf of a spec at least once; maps get a key of the given name, if any, and one that no map has."""
    yield from _vary(data, spec_schema(), (), name)


def changed(data: Any, variation: Variation) -> Any:
    """Apply a variation; the data itself is not changed."""
    return _replaced(data, variation.path, variation.value)


def _replaced(data: Any, path: KeyPath, value: Any) -> Any:
    if not path:
        return value
    if isinstance(data, dict):
        return {**data, path[0]: _replaced(data.get(str(path[0])), path[1:], value)}
    index = int(path[0])
    return [*data[:index], _replaced(data[index] if index < len(data) else None, path[1:], value), *data[index + 1 :]]


def _vary(value: Any, schema: dict[str, Any], path: KeyPath, name: str) -> Iterator[Variation]:
    schema = _resolved(schema, value)
    if isinstance(value, dict):
        yield from _vary_mapping(value, schema, path, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _vary(item, schema.get("items", _OPEN), (*path, index), name)
        added = _example(schema["items"]) if "items" in schema else None
        if added is not None:
            yield Variation((*path, len(value)), added, any_key=True)
    else:
        yield from (Variation(path, other) for other in _others(value, schema))


def _vary_mapping(value: dict[str, Any], schema: dict[str, Any], path: KeyPath, name: str) -> Iterator[Variation]:
    known = schema.get("properties", {})
    for key, inner in value.items():
        if not (key == "kind" and "kind" in known):  # another kind has other keys
            yield from _vary(inner, known.get(key, schema.get("additionalProperties", _OPEN)), (*path, key), name)
    extra = schema.get("additionalProperties", not known)
    if extra is not False and "pod" not in path:  # a fragment is not a map of names
        added = _example(extra) if isinstance(extra, dict) else _NEW
        yield Variation((*path, _NEW), added, any_key=True)
        if name and name not in value and _fits(name, schema.get("propertyNames", _OPEN)):
            yield Variation((*path, name), added)


def _resolved(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The schema of the value itself, without references, null, and the other kinds of a union."""
    while "$ref" in schema or "then" in schema or "allOf" in schema:
        if "$ref" in schema:
            schema = definition(schema["$ref"])
        elif "then" in schema:
            schema = schema["then"]
        else:
            kind = value.get("kind") if isinstance(value, dict) else schema["properties"]["kind"]["enum"][0]
            schema = variant(schema, kind) or _OPEN
    return schema


def _others(value: Any, schema: dict[str, Any]) -> list[Any]:
    """Other values that the schema allows: all options of a choice, else the nearest values."""
    if value is None:
        example = _example(schema)
        return [] if example is None else [example]
    if "enum" in schema:
        return [choice for choice in schema["enum"] if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [other for other in (value + 1, value - 1) if _fits(other, schema)][:1]
    return [text for text in _texts(value) if text != value and _fits(text, schema)][:1]


def _texts(text: str) -> Iterator[str]:
    """Strings similar to a string."""
    yield f"{text}x"
    yield re.sub(r"[0-9]+(?=\D*$)", lambda number: str(int(number[0]) + 1), text)
    yield f"{text[:-1]}x"
    yield f"{text[:-1]}y"
    yield from _EXAMPLES


_EXAMPLES = ("x", "X", "/x", "1Gi", "1.0", "https://example.com/x", "example.com/x", "MULTI_X")


def _example(schema: dict[str, Any]) -> Any:
    """A small value that the schema allows; None if none is known."""
    schema = _resolved(schema, None)
    if schema == _OPEN:
        return _NEW
    if "enum" in schema:
        return schema["enum"][0]
    examples: dict[str, Callable[[], Any]] = {
        "object": lambda: {key: _example(schema["properties"][key]) for key in schema.get("required", ())},
        "array": lambda: [_example(schema["items"])] if schema.get("minItems") else [],
        "string": lambda: next((text for text in _EXAMPLES if _fits(text, schema)), None),
        "integer": lambda: max(schema.get("minimum", 1), 1),
        "boolean": lambda: True,
    }
    return examples[schema["type"]]() if schema.get("type") in examples else None


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a scalar is within the limits of its schema."""
    if isinstance(value, str):
        limits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return limits and re.search(schema.get("pattern", ""), value) is not None
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
