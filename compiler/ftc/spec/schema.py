"""The JSON Schema of the spec, generated from its types, and its keys with their types, meanings and defaults.

Keys are also found by other words. `python -m ftc.spec.schema` prints the schema.
"""

from __future__ import annotations

import inspect
import json
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.resources import directory, docstrings_of_fields
from ftc.spec.base import Spec
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath


@cache
def spec_schema() -> dict[str, Any]:
    """The shipped schema of the spec."""
    schema: dict[str, Any] = msgspec.json.decode((directory("schemas") / "spec.schema.json").read_bytes())
    return schema


def keeps_text(path: KeyPath) -> bool:
    """Whether every schema of the value at `path` requires a string."""
    found = list(schemas_at(path))
    return bool(found) and all(schema.get("type") == "string" for schema in found)


def schemas_at(path: KeyPath) -> Iterator[dict[str, Any]]:
    """The schemas of the value at `path`, one for each variant of its parents."""
    return _schemas_at(spec_schema(), path)


def _schemas_at(schema: dict[str, Any], path: KeyPath) -> Iterator[dict[str, Any]]:
    branches = _branches(schema)
    for branch in branches:
        yield from _schemas_at(branch, path)
    if not path:
        if "type" in schema and not branches:
            yield schema
        return
    head, rest = path[0], path[1:]
    inner = schema.get("items") if isinstance(head, int) else schema.get("properties", {}).get(head)
    inner = inner if inner is not None else schema.get("additionalProperties")
    if isinstance(inner, dict) and not (head == "kind" and "allOf" in schema):
        yield from _schemas_at(inner, rest)


def _branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas behind a reference, a nullable or a union."""
    found = [branch["then"] for branch in schema.get("allOf", ())] + [schema[key] for key in ("then",) if key in schema]
    return found + ([definition(schema["$ref"])] if "$ref" in schema else [])


def definition(ref: str) -> dict[str, Any]:
    """The definition that a `$ref` names."""
    found: dict[str, Any] = spec_schema()["$defs"][ref.rpartition("/")[2]]
    return found


def settle_kinds(data: dict[str, Any], rank: Callable[[KeyPath], int]) -> dict[str, Any]:
    """Remove keys of an earlier `kind` that a later file or override has replaced.

    Hydra merges mappings, so `storage.cache={kind: claim, …}` keeps the keys of the previous kind. `rank` is the
    position at which a key was set.
    """
    settled: dict[str, Any] = _settled(data, spec_schema(), (), rank)
    return settled


def _settled(value: Any, schema: dict[str, Any], path: KeyPath, rank: Callable[[KeyPath], int]) -> Any:
    if not isinstance(value, dict):
        return value
    while "then" in schema or "$ref" in schema:
        schema = schema.get("then") or definition(schema["$ref"])
    if "allOf" in schema:
        schema = variant(schema, value.get("kind")) or schema
    known, of_any = schema.get("properties", {}), schema.get("additionalProperties")
    rest = of_any if isinstance(of_any, dict) else {}
    kept = {k: v for k, v in value.items() if k in known or not _is_left_over(k, known, path, rank)}
    return {k: _settled(v, known.get(k, rest), (*path, k), rank) for k, v in kept.items()}


def variant(union: dict[str, Any], kind: object) -> dict[str, Any] | None:
    """The schema of one kind of a union."""
    found = [b["then"]["$ref"] for b in union["allOf"] if b["if"]["properties"]["kind"]["const"] == kind]
    return definition(found[0]) if found else None


def _is_left_over(key: str, known: dict[str, Any], path: KeyPath, rank: Callable[[KeyPath], int]) -> bool:
    return "kind" in known and rank((*path, key)) < rank((*path, "kind"))


ID = "spec.schema.json"


def make() -> dict[str, Any]:
    """The schema, draft 2020-12; unions become `if … then`, so that an error refers to one branch only.

    `description` says what a key or a section means, `errorMessage` which values a key accepts (a keyword of editors).
    """
    (root,), components = msgspec.json.schema_components([JobSpec], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "The spec of an ftc job",
        **root,
        "$defs": {name: _described(name, _rewrite(schema)) for name, schema in sorted(components.items())},
    }


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type with the descriptions of its keys; that of `kind` is the one of the type."""
    lines = [one for one in reversed(_types()[name].__mro__) if issubclass(one, Spec) and one is not Spec]
    meanings = {"kind": schema["description"].partition("\n")[0]}
    for one in lines:
        meanings |= docstrings_of_fields(one)
    keys = schema["properties"].items()
    return {**schema, "properties": {key: {**one, "description": meanings[key]} for key, one in keys}}


@cache
def _types() -> dict[str, type[Spec]]:
    """The types of the spec by their names."""
    direct = [one for one in Spec.__subclasses__() if one.__module__.startswith("ftc.spec.")]
    return {one.__name__: one for parent in direct for one in (parent, *parent.__subclasses__())}


def text() -> str:
    """The content of schemas/spec.schema.json."""
    return written(make())


def written(schema: dict[str, Any]) -> str:
    """The content of a schema file."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _rewrite(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_rewrite(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "discriminator" in schema:
        return _tagged(schema)
    if len(schema.get("anyOf", ())) == 2 and {"type": "null"} in schema["anyOf"]:  # noqa: PLR2004 - something or null
        return _nullable(schema)
    if schema.get("enum") and all(isinstance(value, int) for value in schema["enum"]):
        return {**schema, "type": "integer"}  # JSON Schema does not distinguish 1.0 from 1, ftc does
    word = "description" if "properties" in schema else "errorMessage"
    texts = {word: inspect.cleandoc(schema["description"])} if "description" in schema else {}
    return {**{key: _rewrite(value) for key, value in schema.items() if key != "description"}, **texts}


def _tagged(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = sorted(schema["discriminator"]["mapping"].items())
    branches = [
        {"if": {"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": ref}}
        for kind, ref in kinds
    ]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "discriminator")}
    kind = {
        "description": "Which of the kinds it is; the other keys depend on it.",
        "enum": [name for name, _ in kinds],
    }
    return {**rest, "type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": branches}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    inner = next(branch for branch in schema["anyOf"] if branch != {"type": "null"})
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, "if": {"not": {"type": "null"}}, "then": _rewrite(inner)}


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201 - the script's purpose


# More suggestions would not help the user.
_MOST = 3


@cache
def habits() -> dict[str, str]:
    """The keys for words that other programs use."""
    found: dict[str, str] = json.loads((directory("schemas") / "habits.json").read_bytes())
    return found


def meant(path: KeyPath, arguments: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The keys that an unknown key may mean: by habit, by its last part, or as an argument of the trainer."""
    name = str(path[-1]).replace("-", "_")
    if name in habits():
        return (habits()[name],)
    found = sorted({".".join(key) for key in _keys() if key[-1] == name})
    near = [key for key in found if path[:-1] and key.startswith(f"{path[0]}.")]
    if near or found:
        return tuple(near or found)[:_MOST]
    return (f"train.{name}",) if name in arguments else ()


def as_option(option: str) -> str:
    """The key that an option such as `--nodes` means; empty for an unknown option."""
    name = option.lstrip("-").replace("-", "_")
    return name if (name,) in _keys() else habits().get(name, "")


@cache
def _keys() -> tuple[tuple[str, ...], ...]:
    return tuple(_below(spec_schema(), (), frozenset()))


def _below(schema: dict[str, Any], path: tuple[str, ...], seen: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The paths of the keys in a schema, through references and variants."""
    if (ref := schema.get("$ref")) is not None:
        if ref not in seen:
            yield from _below(definition(ref), path, seen | {ref})
        return
    for branch in [*(one["then"] for one in schema.get("allOf", ())), *([schema["then"]] if "then" in schema else [])]:
        yield from _below(branch, path, seen)
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key)
        yield from _below(inner, (*path, key), seen)


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
    for path, key in _keys_below(spec_schema(), (), ""):
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


def _keys_below(schema: dict[str, Any], path: KeyPath, kind: str) -> Iterator[tuple[KeyPath, Key]]:
    for name, one in schema.get("properties", {}).items():
        yield (*path, name), _key(one, kind)
        yield from _keys_below(one, (*path, name), "")
    for inner, variant in _inner(schema):
        yield from _keys_below(inner, path, variant or kind)


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
        has_keys=any(True for _ in _keys_below(schema, (), "")),
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
