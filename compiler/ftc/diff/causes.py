"""Attribute changes to keys of the spec: change each key that differs by itself, and compare the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.diff.changes import Change, differences
from ftc.diff.objects import Read, as_kubernetes, things
from ftc.diff.pairing import pairs
from ftc.driver import Request, State
from ftc.explain.artifact import ABSENT, Address
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.explain.variations import changed, variations
from ftc.output.reading import documents
from ftc.plan.build import plan
from ftc.spec.job import JobSpec
from ftc.targets import TARGETS, bound, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json


# Each key costs two compiles of each run; a mapping in which more keys differ is one cause.
_MANY = 24
_NOTHING = (None, "", ABSENT)


class Effect(NamedTuple):
    """The effect of one key: the kinds of objects and the addresses that it changes.

    A key that `is_open` is not set yet: it can explain what is missing, but nothing that exists.
    """

    key: KeyPath
    moved: frozenset[tuple[str, Address]]
    is_open: bool = False

    def has_moved(self, kind: str, change: Change) -> bool:
        """Whether the key affects what changed, or something in it or around it."""
        if self.is_open and change.after is not ABSENT:
            return False
        return any(kind == one and _meet(address, change.address) for one, address in self.moved)

    def reach(self, kind: str, change: Change) -> tuple[bool, int]:
        """Sort effects by their distance to a change: those of just this change first, then those of little else."""
        elsewhere = sum(kind != one or not _meet(address, change.address) for one, address in self.moved)
        return (kind, change.address) not in self.moved, elsewhere


def _meet(one: Address, other: Address) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def emitted(spec: JobSpec, targets: tuple[str, ...]) -> dict[str, str]:
    """Compile a spec to files, by name. Nothing is checked, so the spec must have compiled before."""
    run = plan(spec)
    pods = bound(run, targets)
    made = outputs(spec, run, [name for name in TARGETS if name in targets], pods)
    state = State(Request(targets=targets), spec=spec, run=run, outputs=made)
    return {artifact.name: artifact.text for artifact in state.artifacts()}


def effects(before: JobSpec, after: JobSpec, targets: tuple[str, ...]) -> list[Effect]:
    """The effect of each key that differs between two specs, changed by itself on either side."""
    old, new = plain(before), plain(after)
    sides = [(old, new, emitted(before, targets)), (new, old, emitted(after, targets))]
    found = []
    for key in differing(old, new):
        moved: set[tuple[str, Address]] = set()
        for data, other, files in sides:
            spec = msgspec.convert(_with(data, key, _at(other, key)), JobSpec)
            moved |= _moved(files, emitted(spec, targets))
        found.append(Effect(key, frozenset(moved)))
    return found


def all_effects(spec: JobSpec, targets: tuple[str, ...]) -> list[Effect]:
    """The effect of each key of a spec, found by giving it another value; the merge knows those of the fragments."""
    data, files = plain(spec), emitted(spec, targets)
    found: dict[tuple[KeyPath, bool], set[tuple[str, Address]]] = {}
    for variation in (one for one in variations(data, "") if "pod" not in one.path[:2]):
        is_open = variation.any_key or _at(data, variation.path) in _NOTHING
        key = variation.path[:-1] if variation.any_key else variation.path
        other = emitted(msgspec.convert(changed(data, variation), JobSpec), targets)
        found.setdefault((key, is_open), set()).update(_moved(files, other))
    return [Effect(key, frozenset(moved), is_open) for (key, is_open), moved in found.items()]


def of_ftc(kept: dict[str, str], compiled: dict[str, str]) -> Effect:
    """The effect of ftc itself: the same spec was compiled to other files before."""
    return Effect((), frozenset(_moved(kept, compiled, as_kubernetes)))


def _moved(before: dict[str, str], after: dict[str, str], read: Read = documents) -> set[tuple[str, Address]]:
    differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    old = things({name: text for name, text in before.items() if name in differ}, read)
    new = things({name: text for name, text in after.items() if name in differ}, read)
    return {
        (pair.after.kind, change.address)
        for pair in pairs(old, new)
        for change in differences(pair.before.content, pair.after.content)
    }


def differing(old: Any, new: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The keys that differ; a mapping of another kind counts as one key, and so does one in which many keys differ."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.get("kind") == new.get("kind"):
        keys = [key for key in {**new, **old} if old.get(key, ABSENT) != new.get(key, ABSENT)]
        if len(keys) > _MANY and path:
            yield path
        else:
            for key in keys:
                yield from differing(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    else:
        yield path


def _at(data: Json, path: KeyPath) -> Any:
    found = find(data, path)
    return found.value if isinstance(found, Found) else ABSENT


def _with(data: Json, path: KeyPath, value: Any) -> Json:
    """Set the value at a path, or remove it."""
    key, rest = str(path[0]), path[1:]
    if not rest and value is ABSENT:
        return {name: inner for name, inner in data.items() if name != key}
    return {**data, key: _with(data[key], rest, value) if rest else value}
