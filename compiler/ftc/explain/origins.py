"""The origin of a value of the spec: every file and override that set its key, and the keys that it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.compose.references import referred
from ftc.compose.types import Setting
from ftc.diagnostics.model import KeyPath
from ftc.explain.paths import Found, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.compose import Composed
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec


class Origin(msgspec.Struct, frozen=True):
    """A key of the spec, its value, and its settings; the last one wins, and without any the value is ftc's default."""

    path: KeyPath
    value: Any
    settings: tuple[Setting, ...]


def plain(spec: JobSpec) -> Json:
    """The spec as plain mappings and lists."""
    data: Json = msgspec.json.decode(msgspec.json.encode(spec))
    return data


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The leaf keys below a key; the key itself if it is one. A missing value yields nothing."""
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in inner:
        yield from leaves(one, (*path, key))
    if not inner and path:
        yield path


def origins(composed: Composed, data: Any, paths: Iterable[KeyPath]) -> list[Origin]:
    """The origins of keys and of the keys that their values refer to, each once."""
    found: dict[KeyPath, Origin] = {}
    waiting = list(paths)
    while waiting:
        key = waiting.pop(0)
        if key not in found:
            found[key] = origin = _origin(composed, data, key)
            waiting = [*_referred(origin), *waiting]
    return list(found.values())


def _origin(composed: Composed, data: Any, path: KeyPath) -> Origin:
    there = find(data, path)
    return Origin(path, there.value if isinstance(there, Found) else None, composed.settings(path))


def _referred(origin: Origin) -> list[KeyPath]:
    """The keys that the winning setting refers to; if a parent is a reference, the matching key below its target."""
    if not origin.settings or not isinstance(origin.settings[-1].value, str):
        return []
    won = origin.settings[-1]
    return [(*target, *origin.path[len(won.path) :]) for target in referred(won.value, won.path)]
