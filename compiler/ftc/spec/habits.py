"""The keys that users mean when they write a key of another program, or a key without its section."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.resources import directory
from ftc.spec.schema import definition, spec_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath

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
