"""The resolved spec as YAML, which is a valid config, without or with the origin of each value in the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc import yaml_text
from ftc.diagnostics.columns import padded, width
from ftc.diagnostics.printable import escaped, redacted, without_secrets
from ftc.spec.job import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath, Position
    from ftc.spec.job import JobSpec


def text(spec: JobSpec) -> str:
    """The spec, as `-o` writes it."""
    return yaml_text.dump(complete(spec))


def shown(spec: JobSpec) -> str:
    """The spec without secrets, as `ftc show` prints it."""
    return yaml_text.dump(without_secrets(complete(spec)))


def plain(spec: JobSpec) -> dict[str, Any]:
    """The spec without secrets as plain values."""
    found: dict[str, Any] = without_secrets(msgspec.to_builtins(spec))
    return found


# Leaves 76 of 120 columns for the spec.
_MARGIN = 42
_DEFAULT = "default"
_ZERO = " 0\n"


class _Row(NamedTuple):
    origin: str
    text: str


def text_with_origins(spec: JobSpec, origin: Callable[[KeyPath], Position | None]) -> str:
    """Write one value per line; a key that is not set anywhere has the default of the spec."""
    rows = list(_rows(without_secrets(complete(spec)), (), origin))
    margin = max(width(row.origin) for row in rows)
    return "".join(f"{padded(row.origin, margin)}  {row.text}\n" for row in rows)


def data_with_origins(spec: JobSpec, origin: Callable[[KeyPath], Position | None]) -> list[dict[str, Any]]:
    """Each key with its value and the place that set it, null for the default."""
    return [
        {"key": ".".join(map(str, path)), "value": value, "origin": None if place is None else redacted(str(place))}
        for path, value in _leaves(plain(spec), ())
        for place in [origin(path)]
    ]


def _leaves(mapping: dict[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _rows(mapping: dict[str, Any], path: KeyPath, origin: Callable[[KeyPath], Position | None]) -> Iterator[_Row]:
    indent = "  " * len(path)
    for key, value in mapping.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield _Row("", f"{indent}{yaml_text.dump({key: 0}).removesuffix(_ZERO)}")
            yield from _rows(value, here, origin)
        else:
            first, *rest = yaml_text.dump({key: value}).rstrip("\n").split("\n")
            yield _Row(_shown(origin(here)), f"{indent}{first}")
            yield from (_Row("", f"{indent}{line}") for line in rest)


def _shown(position: Position | None) -> str:
    """Write `file:line`, without the beginning of a long path, or an override, without the end of a long one."""
    if position is None:
        return _DEFAULT
    if not position.line:
        return _cut(escaped(redacted(position.source)))
    place = f"{escaped(position.source)}:{position.line}"
    return _cut(place[::-1])[::-1]


def _cut(written: str) -> str:
    if width(written) <= _MARGIN:
        return written
    kept = ""
    for letter in written:
        if width(kept + letter) >= _MARGIN:
            break
        kept += letter
    return f"{kept}…"
