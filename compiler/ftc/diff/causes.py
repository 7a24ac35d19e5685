"""Attribute changes to keys of the spec, and find the fragments that set a changed field of a pod.

Each key that differs is changed by itself, and the output compared; the merge has recorded what fragments set.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.diff.changes import Change, differences
from ftc.diff.objects import Read, as_kubernetes, pairs, things
from ftc.driver import Request, State
from ftc.explain.artifact import ABSENT, Address, steps
from ftc.explain.origins import changed, plain, variations
from ftc.explain.paths import Found, find
from ftc.plan.build import plan
from ftc.spec.job import JobSpec
from ftc.targets import POD_TARGETS, TARGETS, bound, outputs
from ftc.yaml_text import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.merge import Merged, Source
    from ftc.spec.base import Json


class Keys(NamedTuple):
    """The keys of the fragments that caused a change, and whether they are `all` of its causes."""

    found: tuple[KeyPath, ...] = ()
    all: bool = False


class Side(msgspec.Struct, frozen=True, dict=True):
    """One side of a comparison."""

    state: State

    @cached_property
    def data(self) -> Json:
        """The spec."""
        return plain(self.state.spec) if self.state.spec else {}

    @cached_property
    def pods(self) -> dict[str, Merged]:
        """The pod of each target, by the kind of its object."""
        run = self.state.run
        return {target.kind: target.pod(run) for target in POD_TARGETS.values()} if run else {}

    def sources(self, kind: str, address: Address) -> tuple[Source, ...]:
        """The fragments that set or removed a field; empty if the field is not in a pod or was never set."""
        where = [target.path for target in POD_TARGETS.values() if target.kind == kind]
        outer = [one if isinstance(one, str) else 0 for one in address[: len(where[0])]] if where else []
        if not where or tuple(outer) != where[0] or kind not in self.pods:
            return ()
        return _sources(self.pods[kind], address[len(where[0]) :])


def _sources(pod: Merged, address: Address) -> tuple[Source, ...]:
    here, field = pod, ""
    for step in address:
        content = here.content
        if isinstance(content, list) and not isinstance(step, str):
            places = steps(content, field)
            if step not in places:
                return ()
            here = here.at((places.index(step),))
        elif isinstance(content, dict) and isinstance(step, str):
            if step not in content:
                return (here.record.later[step].source,) if step in here.record.later else ()
            here, field = here.at((step,)), step
        else:
            return here.sources()  # inside a file in an annotation
    return here.sources()


def of_fragments(before: Side | None, after: Side, kind: str, address: Address) -> Keys:
    """The keys of fragments that set the field on either side, if their values differ."""
    found: dict[KeyPath, None] = {}
    is_all = False
    for side in (after, before) if before else (after,):
        sources = side.sources(kind, address)
        given = [source.key for source in sources if source.key is not None]
        differ = [key for key in given if before is None or _value(before, key) != _value(after, key)]
        found |= dict.fromkeys(differ)
        is_all |= bool(differ) and len(given) == len(sources)
    return Keys(tuple(found), is_all)


def _value(side: Side, key: KeyPath) -> object:
    there = find(side.data, key)
    return there.value if isinstance(there, Found) else None


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
