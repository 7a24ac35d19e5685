"""Every key of the spec with its type, meaning and default, from the schema."""

from __future__ import annotations

import json
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.spec.schema import definition, spec_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath

# The largest number that Kubernetes accepts in most fields: not worth a word.
_LARGEST = 2**31 - 2
_NAMES = {"string": "text", "object": "mapping", "array": "list", "boolean": "true or false", "null": "null"}


class Key(msgspec.Struct, frozen=True):
    """A key; `default` is written as YAML flow, null if a value is required. `has_keys` says that keys are below it.

    `values` are the only values, `kinds` the kinds of the nearest union that have the key.
    """

    type: str
    meaning: str = ""
    default: str | None = None
    values: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    has_keys: bool = False


@cache
def keys() -> dict[KeyPath, Key]:
    """Every key by its path, in the order of the schema; keys of several kinds of a union are joined."""
    found: dict[KeyPath, Key] = {}
    for path, key in _below(spec_schema(), (), ""):
        found[path] = _joined(found[path], key) if path in found else key
    return found


def key_at(path: KeyPath) -> Key | None:
    """The key at a path, whose parts may be names and positions that users choose: storage.more.data.claim."""
    found = list(_at(spec_schema(), path, ""))
    return reduce(_joined, found) if found else None


def _at(schema: dict[str, Any], path: KeyPath, kind: str) -> Iterator[Key]:
    name, *rest = path
    of_any = schema.get("items" if isinstance(name, int) else "additionalProperties")
    one = schema.get("properties", {}).get(name, of_any)
    if isinstance(one, dict):
        yield from _at(one, tuple(rest), "") if rest else [_key(one, kind)]
    for inner, variant in _inner(schema):
        yield from _at(inner, path, variant or kind)


def _below(schema: dict[str, Any], path: KeyPath, kind: str) -> Iterator[tuple[KeyPath, Key]]:
    for name, one in schema.get("properties", {}).items():
        yield (*path, name), _key(one, kind)
        yield from _below(one, (*path, name), "")
    for inner, variant in _inner(schema):
        yield from _below(inner, path, variant or kind)


def _inner(schema: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The schemas behind a reference, a nullable or a union, each with its kind."""
    if "$ref" in schema:
        yield definition(schema["$ref"]), ""
    if "then" in schema:
        yield schema["then"], ""
    for branch in schema.get("allOf", ()):
        yield branch["then"], branch["if"]["properties"]["kind"]["const"]


def _key(schema: dict[str, Any], kind: str) -> Key:
    values = _values(schema)
    return Key(
        type=in_words(schema),
        meaning=_meaning(schema),
        default=json.dumps(schema["default"], ensure_ascii=False) if "default" in schema else None,
        values=values,
        kinds=(kind,) if kind else (),
        has_keys=any(True for _ in _below(schema, (), "")),
    )


def _joined(one: Key, other: Key) -> Key:
    return Key(
        type=one.type if one.values or other.type in one.type.split(", or ") else f"{one.type}, or {other.type}",
        meaning=one.meaning or other.meaning,
        default=one.default if one.default == other.default else None,
        values=tuple(dict.fromkeys((*one.values, *other.values))),
        kinds=tuple(dict.fromkeys((*one.kinds, *other.kinds))),
        has_keys=one.has_keys or other.has_keys,
    )


def _meaning(schema: dict[str, Any]) -> str:
    """The description of a key itself, or else that of its type."""
    told = schema.get("description", "")
    return told or next((text for inner, kind in _inner(schema) if not kind and (text := _meaning(inner))), "")


def _values(schema: dict[str, Any]) -> tuple[str, ...]:
    if schema.get("type") == "boolean":
        return ("true", "false")
    given = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return tuple(str(value) for value in given) or next(
        (found for inner, kind in _inner(schema) if not kind and (found := _values(inner))), ()
    )


def in_words(schema: dict[str, Any]) -> str:
    """Describe the values that a schema accepts."""
    if "then" in schema:
        return f"{in_words(schema['then'])}, or null"
    if "allOf" in schema:
        return f"mapping with kind: {', '.join(kind for _, kind in _inner(schema))}"
    if "$ref" in schema:
        return in_words(definition(schema["$ref"]))
    if "enum" in schema or "const" in schema:
        return f"one of {', '.join(_values(schema))}"
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(in_words(one) for one in schema["anyOf"]))
    given = schema.get("type", [])
    types = [given] if isinstance(given, str) else given
    return ", or ".join(_plain(name, schema) for name in types) or "any value"


def _plain(name: str, schema: dict[str, Any]) -> str:
    if name in ("integer", "number"):
        least, most = schema.get("minimum"), schema.get("maximum")
        if least is None:
            return name
        return f"{name} from {least} to {most}" if (most or _LARGEST) < _LARGEST else f"{name}, at least {least}"
    if name == "array" and isinstance(schema.get("items"), dict):
        return f"list: {in_words(schema['items'])}"
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {in_words(schema['additionalProperties'])}"
    return _NAMES.get(name, name)
