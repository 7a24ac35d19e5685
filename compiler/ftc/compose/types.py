"""The result of composition: the data, and the origin of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.diagnostics.model import KeyPath, Position
from ftc.source import Document

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


class Layer(msgspec.Struct, frozen=True):
    """One file of the composition, the package (key path) of its keys, and whether it is an option of a group."""

    document: Document
    package: tuple[str, ...]
    is_option: bool

    def reach(self, path: KeyPath) -> int:
        """How many steps of `path` exist in the file."""
        if path[: len(self.package)] != self.package:
            return 0
        return len(self.package) + self.document.depth(path[len(self.package) :])

    def setting(self, path: KeyPath) -> Setting | None:
        """The file's setting of a key that it has."""
        rest = path[len(self.package) :]
        return Setting(self.document.position(rest), path, at(self.document.data, rest))


class ValueOverride(msgspec.Struct, frozen=True):
    """One `key.path=value` of the command line."""

    text: str
    path: KeyPath
    value: Any

    def reach(self, path: KeyPath) -> int:
        """How many steps of `path` the override affects."""
        pairs = zip(self.path, path, strict=False)
        shared = next((i for i, (ours, asked) in enumerate(pairs) if ours != asked), min(len(self.path), len(path)))
        return shared + (_depth(self.value, path[shared:]) if shared == len(self.path) else 0)

    def setting(self, path: KeyPath) -> Setting | None:
        """The override's setting of a key, if it sets the whole key."""
        rest = path[len(self.path) :]
        return Setting(Position(self.text), path, at(self.value, rest)) if len(path) >= len(self.path) else None


class Setting(msgspec.Struct, frozen=True):
    """The value that a file or an override gives a key; `path` is the key, or the parent that was set as a whole."""

    position: Position
    path: KeyPath
    value: Any


class Composed(msgspec.Struct, frozen=True):
    """The composed data, the option of each group, and what is needed to find the origin of a key."""

    data: dict[str, Any]
    choices: dict[str, str | None]
    layers: tuple[Layer, ...] = ()
    overrides: tuple[ValueOverride, ...] = ()

    def start(self) -> Position | None:
        """The beginning of the primary config."""
        whole = [layer.document for layer in self.layers if not layer.is_option]
        return whole[-1].position(()) if whole else None

    def position(self, path: KeyPath) -> Position | None:
        """The file or override that last set the key at `path`, or its nearest parent."""
        origin = self._origin(path)
        if isinstance(origin, Layer):
            return origin.document.position(path[len(origin.package) :])
        return Position(origin.text) if origin else None

    def origin(self, path: KeyPath) -> Position | None:
        """The place that set the value at `path`, or the mapping that contains it; None if nothing sets it."""
        return self.position(path) if _depth(self.data, path) == len(path) else None

    def settings(self, path: KeyPath) -> tuple[Setting, ...]:
        """All settings of the key at `path`, in the order in which they were applied: the last one wins."""
        everything: tuple[Layer | ValueOverride, ...] = (*self.layers, *self.overrides)
        said = [one.setting(path[: one.reach(path)]) for one in everything if one.reach(path)]
        return tuple(one for one in said if one and (one.path == path or not isinstance(one.value, dict)))

    def rank(self, path: KeyPath) -> int:
        """How late the key at `path` was set: a later setting wins."""
        origin = self._origin(path)
        return next((i for i, one in enumerate((*self.layers, *self.overrides)) if one is origin), -1)

    def is_of_run(self, path: KeyPath) -> bool:
        """Whether an override or a primary config sets the key at `path`, not an option of a group."""
        origin = self._origin(path)
        return isinstance(origin, ValueOverride) or (origin is not None and not origin.is_option)

    def _origin(self, path: KeyPath) -> Layer | ValueOverride | None:
        best: int = 0
        found: Layer | ValueOverride | None = None
        origins: tuple[Layer | ValueOverride, ...] = (*self.layers, *self.overrides)
        for one in origins:
            reached = one.reach(path)
            if reached >= max(best, 1):
                best, found = reached, one
        return found


def _depth(value: Any, path: KeyPath) -> int:
    """How many steps of `path` exist in a plain value."""
    steps = 0
    for part in path:
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not in_list and not (isinstance(value, dict) and part in value):
            break
        value = value[part]
        steps += 1
    return steps


def at(value: Any, path: KeyPath) -> Any:
    """The value at `path`; raises KeyError, IndexError or TypeError if it does not exist."""
    for part in path:
        value = value[part]
    return value


def key_path(key: str) -> KeyPath:
    """Parse a key as people type it: `a.b[0]`."""
    parts = key.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts if part)


class Choice(msgspec.Struct, frozen=True):
    """An option of a group; `is_added` if the primary config does not have the group."""

    group: str
    package: str | None
    option: str
    is_added: bool

    @property
    def key(self) -> str:
        """The group with its package."""
        return f"{self.group}@{self.package}" if self.package else self.group


class Combination(msgspec.Struct, frozen=True):
    """The result of composing a primary config with some options, before any key is set."""

    data: dict[str, Any]
    choices: dict[str, str | None]
    layers: tuple[Layer, ...]


def value_override(override: Override) -> ValueOverride:
    """Convert an override of Hydra that sets a key."""
    return ValueOverride(override.input_line or "", key_path(override.key_or_group), override.value())
