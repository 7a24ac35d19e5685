"""The type, the meaning and the default of a key of the spec, or of an argument of the trainer in `train`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.spec.schema import in_words, key_at, keys
from ftc.trainer import release
from ftc.trainer.arguments import OWNED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath

_TRAIN = "train"


class Meaning(msgspec.Struct, frozen=True):
    """The facts about a key; `default` is in words, `kinds` are the kinds of the union above it that have the key."""

    type: str
    meaning: str
    default: str
    kinds: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The same as lines of text."""
        kinds = f", only for kind {' or '.join(self.kinds)}" if self.kinds else ""
        yield f"{self.type}{kinds}; {self.default}"
        yield from self.meaning.split("\n\n", maxsplit=1)[0].splitlines()


def meaning(path: KeyPath, pair: str) -> Meaning | None:
    """The meaning of a key, for a pair of releases; None for a name that users choose, such as a variable."""
    if len(path) == 2 and path[0] == _TRAIN:  # noqa: PLR2004 - train.NAME
        known = _arguments(pair).get(path[1])
        return None if known is None else _of_argument(known)
    key = key_at(path)
    if key is None or not key.meaning:
        return None
    default = "no default" if key.default is None else f"the default is {key.default}"
    return Meaning(key.type, key.meaning, default, key.kinds)


def _arguments(pair: str) -> dict[str | int, Any]:
    known = release.arguments(pair)
    return {name: known["arguments"][name] for name in known["train"] if name not in OWNED}


def _of_argument(known: dict[str, Any]) -> Meaning:
    default = f"the trainer's default is {json.dumps(known['default'])}" if "default" in known else "no default"
    return Meaning(in_words(known), known["description"], default)


def named(name: str, pair: str) -> list[KeyPath]:
    """The keys with this name, and the argument of the trainer."""
    found: list[KeyPath] = [path for path in keys() if path[-1] == name]
    return [*found, (_TRAIN, name)] if name in _arguments(pair) else found
