"""Merge files, set keys, and replace references, as OmegaConf does it with plain values; read items of a defaults list.

Anything that has a special rule in OmegaConf (a reference or null over a mapping, a list over a mapping, `???` over a
value, an unresolvable reference, …) raises UncertainError.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftc.diagnostics.model import KeyPath


MISSING = "???"
# The size to which all references of a composition may expand: characters, and ten for each value, as much as one file
# may hold; and the longest chain of references.
MAX_BROUGHT = 1_000_000
VALUE = 10
MAX_HOPS = 16
KEY = r"[A-Za-z][\w-]*"
_WORD = r"[A-Za-z]\w*"
_TARGET = rf"{_WORD}(?:\.{_WORD})*"
REFERENCE = rf"\$\{{\.*{_TARGET}\}}"
_REFERENCE = re.compile(rf"\$\{{(?P<dots>\.*)(?P<key>{_TARGET})\}}", re.ASCII)
_KEY = re.compile(KEY, re.ASCII)
_ABSENT = object()
# Null over a mapping: OmegaConf keeps the mapping's node, which accepts a mapping or a value, but no list and no key.
_NULLED = object()


class UncertainError(Exception):
    """Data for which OmegaConf has a special rule."""


def is_plain(value: Any) -> bool:
    """Whether a value of a file or an override consists of values and simple references only."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_plain(inner) for inner in value)
    if isinstance(value, str) and "${" in value:
        return "\\" not in value and "${" not in _REFERENCE.sub("", value)
    return value is None or isinstance(value, str | int | float)


def overlay(under: Any, over: Any) -> Any:
    """Merge `over` over `under`; neither is changed."""
    if isinstance(under, dict) and isinstance(over, dict):
        merged = dict(under)
        for key, value in over.items():
            merged[key] = overlay(merged[key], value) if key in merged else value
        return merged
    if over is None and (under is _NULLED or isinstance(under, dict)):
        return _NULLED
    if _differs(under, over):
        raise UncertainError
    return over


def _differs(under: Any, over: Any) -> bool:
    """Whether OmegaConf does anything but replace one with the other."""
    if over == MISSING:
        return True
    if isinstance(under, dict | list):
        return _is_special(over) or (isinstance(over, dict | list) and type(under) is not type(over))
    if under is _NULLED:
        return _is_special(over) or isinstance(over, list)
    return _is_reference(under) and (_is_special(over) or isinstance(over, dict | list))


def embedded(data: dict[str, Any], package: tuple[str, ...]) -> dict[str, Any]:
    """Nest the data of a file under the keys of its package."""
    for key in reversed(package):
        if not _KEY.fullmatch(key):
            raise UncertainError
        data = {key: data}
    return data


def assigned(data: dict[Any, Any], path: Sequence[str | int], value: Any) -> dict[Any, Any]:
    """Apply an override `++key=value` to the data; the data itself is not changed."""
    key, *rest = path
    under = data.get(key, _ABSENT)
    if under is _NULLED and (rest or isinstance(value, dict)):
        raise UncertainError
    if not rest:
        kept = under is _NULLED or isinstance(under, dict | list)
        return {**data, key: overlay(under, value) if kept else value}
    if under is _ABSENT or under is None:
        return {**data, key: assigned({}, rest, value)}
    if not isinstance(under, dict):
        raise UncertainError
    return {**data, key: assigned(under, rest, value)}


def _is_special(value: Any) -> bool:
    return value is None or value == MISSING or _is_reference(value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and "${" in value


def resolved(data: dict[str, Any], keeps_text: Callable[[KeyPath], bool]) -> dict[str, Any]:
    """Replace each reference in the data; a number from a reference becomes a string if `keeps_text` says so."""
    found: dict[str, Any] = _resolved(data, (), _References(data, keeps_text))
    return found


class _References:
    def __init__(self, data: dict[str, Any], keeps_text: Callable[[KeyPath], bool]) -> None:
        self.data, self.keeps_text = data, keeps_text
        self._room = MAX_BROUGHT

    def at(self, value: Any, path: KeyPath, through: tuple[KeyPath, ...]) -> Any:
        """The value at a path with its references replaced; `through` holds the places of the references so far."""
        self._room -= VALUE + (len(value) if isinstance(value, str) else 0)
        if self._room < 0 or len(through) > MAX_HOPS:
            raise UncertainError  # composition by Hydra measures it and reports it
        if isinstance(value, dict):
            return {key: self.at(inner, (*path, key), through) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.at(inner, (*path, index), through) for index, inner in enumerate(value)]
        if not _is_reference(value):
            return None if value is _NULLED else value
        if path in through:
            raise UncertainError
        if whole := _REFERENCE.fullmatch(value):
            return self._target(whole, path, through)
        return _REFERENCE.sub(lambda found: self._inside(found, path, through), value)

    def _target(self, found: re.Match[str], path: KeyPath, through: tuple[KeyPath, ...]) -> Any:
        dots = len(found["dots"])
        if dots > len(path):
            raise UncertainError
        target: KeyPath = (*(path[:-dots] if dots else ()), *found["key"].split("."))
        value: Any = self.data
        for step in target:
            inside = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
            if not inside or (isinstance(step, str) and step not in value):
                raise UncertainError
            value = value[step]
        if value == MISSING:
            raise UncertainError
        return self.at(value, target, (*through, path))

    def _inside(self, found: re.Match[str], path: KeyPath, through: tuple[KeyPath, ...]) -> str:
        """The text that a reference inside a longer string expands to."""
        value = self._target(found, path, through)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UncertainError
        return str(value)


def _resolved(value: Any, path: KeyPath, references: _References) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(inner, (*path, key), references) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, (*path, index), references) for index, inner in enumerate(value)]
    if not _is_reference(value):
        return None if value is _NULLED else value
    found = references.at(value, path, ())
    return str(found) if isinstance(found, int | float) and references.keeps_text(path) else found


# The name of a file.
OPTION = r"[A-Za-z0-9][\w.-]*"
_PACKAGE = rf"(?:@(?!\S*_group_)(?P<package>(?:_global_|{KEY})(?:\.{KEY})*))?"
_CONFIG = re.compile(rf"(?P<name>/?(?:{KEY}/)*{OPTION}){_PACKAGE}", re.ASCII)
_GROUP = re.compile(rf"(?P<overrides>override )?(?P<name>/?{KEY}(?:/{KEY})*){_PACKAGE}", re.ASCII)
_OPTION = re.compile(OPTION, re.ASCII)


class Item(msgspec.Struct, frozen=True):
    """The path of a config, or a group and its option, if any; relative to the file, or beginning with /.

    `package` is the place of its keys, if the item names one. `overrides` marks a choice for a group of another item.
    """

    name: str
    package: str | None = None
    is_group: bool = False
    option: str | None = None
    overrides: bool = False


SELF = Item("_self_")


def read(data: dict[str, Any]) -> tuple[Item, ...] | None:
    """The items of a file; None if one has another form."""
    listed = data.get("defaults", [])
    found = [_item(entry) for entry in listed] if isinstance(listed, list) else [None]
    whole = tuple(item for item in found if item is not None)
    return whole if len(whole) == len(found) and whole.count(SELF) <= 1 else None


def _item(entry: Any) -> Item | None:
    if entry == SELF.name:
        return SELF
    if isinstance(entry, str):
        config = _CONFIG.fullmatch(entry)
        return Item(config["name"], config["package"]) if config else None
    if not isinstance(entry, dict) or len(entry) != 1:
        return None
    ((key, option),) = entry.items()
    group = _GROUP.fullmatch(key)
    is_usual = option is None or (isinstance(option, str) and _OPTION.fullmatch(option))
    if not group or not is_usual:
        return None
    return Item(group["name"], group["package"], is_group=True, option=option, overrides=group["overrides"] is not None)
