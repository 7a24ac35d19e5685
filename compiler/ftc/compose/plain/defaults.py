"""The files of a run, in the order in which Hydra merges them, and the package (key path) of the keys of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.compose.plain.values import SELF, Item, UncertainError, embedded, overlay
from ftc.compose.types import Combination, Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.compose.files import Conf, File
    from ftc.compose.types import Choice

_GLOBAL = "_global_"


def combined(conf: Conf, config_name: str, choices: Sequence[Choice]) -> Combination:
    """Merge the files of a primary config and its options."""
    walk = _Walk(conf, choices)
    added = [Item(one.group, one.package, is_group=True, option=one.option) for one in choices if one.is_added]
    walk.visit(Item(config_name), _Place("", ""), added)
    if walk.unused:
        raise UncertainError
    options = {f"{key.partition('@')[0]}/{option}" for key, option in walk.known.items()}
    data: dict[str, Any] = {}
    layers = []
    for path, file, package in reversed(walk.found):
        parts = tuple(package.split(".")) if package else ()
        data = overlay(data, embedded(file.content(), parts))
        layers.append(Layer(file.document, parts, bool(parts) or path in options))
    return Combination(data, dict(sorted(walk.known.items())), tuple(layers))


class _Place(NamedTuple):
    """The group of a file and the package of its keys; the items of the file are relative to both."""

    group: str
    package: str


class _Walk:
    """The files found so far, last one first, as Hydra visits them; the options of the groups, by their keys."""

    def __init__(self, conf: Conf, choices: Sequence[Choice]) -> None:
        self.conf = conf
        self.found: list[tuple[str, File, str]] = []
        self.known: dict[str, str | None] = {}
        self.chosen: dict[str, str | None] = {one.key: one.option for one in choices if not one.is_added}
        self.unused = set(self.chosen)

    def visit(self, item: Item, above: _Place, added: Sequence[Item] = ()) -> None:
        """Find the files of an item of the file `above`; `added` are further items of the primary config."""
        path = _path(item, above)
        if item.is_group:
            option = self._option(_key(item, above), item.option)
            if option is None:
                return
            path = f"{path}/{option}"
        file = self.conf.file(path)
        if file is None or file.items is None:
            raise UncertainError
        here = _Place(path.rpartition("/")[0], _package(item, item.package or _header(file), above))
        for one in reversed(self._below(file.items, added, here) or [SELF]):
            if one == SELF:
                self.found.append((path, file, here.package))
            else:
                self.visit(one, here)

    def _option(self, key: str, option: str | None) -> str | None:
        """The option of a group, which may be chosen elsewhere; a group is used once."""
        if key in self.known:
            raise UncertainError
        self.known[key] = self.chosen.get(key, option)
        self.unused.discard(key)
        return self.known[key]

    def _below(self, items: Sequence[Item], added: Sequence[Item], here: _Place) -> list[Item]:
        """The items to visit; the others choose options of groups, for which the first choice wins."""
        last = next((place for place, item in enumerate(items) if item.overrides), len(items))
        if any(not item.overrides and item != SELF for item in items[last:]):
            raise UncertainError  # overrides must be last
        for item in items[last:]:
            if item.overrides and (key := _key(item, here)) not in self.chosen:
                self.chosen[key] = item.option
                self.unused.add(key)
        below = [item for item in items if not item.overrides]
        has_self = SELF in below or not (below or (added and not items))
        return [*below, *([] if has_self else [SELF]), *added]


def _path(item: Item, above: _Place) -> str:
    """The path of a config, or of a group."""
    return item.name.removeprefix("/") if item.name[0] == "/" or not above.group else f"{above.group}/{item.name}"


def _key(item: Item, above: _Place) -> str:
    """The name of a group in overrides, with its package unless that is the path of the group."""
    group, package = _path(item, above), _package(item, item.package, above)
    return group if package == group.replace("/", ".") else f"{group}@{package or _GLOBAL}"


def _package(item: Item, written: str | None, above: _Place) -> str:
    """The keys of a config: those that it names, or those of its path, below those of the file above."""
    name = item.name.lstrip("/")
    path = name if item.is_group else name.rpartition("/")[0]
    parts = (above.package, path.replace("/", ".") if written is None else written)
    whole = ".".join(part for part in parts if part)
    at = whole.rfind(_GLOBAL)
    return whole if at < 0 else whole[at + len(_GLOBAL) + 1 :]


def _header(file: File) -> str | None:
    """The package in a file's header, which is absolute."""
    if file.package is None or file.package.split(".")[0] == _GLOBAL:
        return file.package
    return f"{_GLOBAL}.{file.package}"
