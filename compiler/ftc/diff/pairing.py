"""Pair the objects before with the objects after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

import msgspec

from ftc.diff.changes import differences
from ftc.diff.objects import Thing
from ftc.explain.artifact import ABSENT

# Comparing this many objects with each other takes a second; more are paired in order.
_MOST_COMPARED = 256


class Pair(msgspec.Struct, frozen=True):
    """An object before and after; its content is ABSENT if it does not exist. `label` distinguishes it from others."""

    before: Thing
    after: Thing
    label: str = ""


_Key: TypeAlias = Callable[[Thing], Hashable]
_Matched: TypeAlias = list[tuple[Thing, Thing]]


def pairs(before: list[Thing], after: list[Thing]) -> list[Pair]:
    """Pair what belongs together; nothing is left out.

    Objects with the same identity are the same, and several of them are paired by similarity. Of the others, an object
    that is the only one left of its kind and name on both sides was moved to another namespace, and the only one left
    of its kind was renamed.
    """
    old, new = before, after
    found: _Matched = []
    for key, alone in ((_identity, False), (_kind_and_name, True), (_kind, True)):
        matched = _by(key, old, new, alone=alone)
        found += matched
        old, new = _without(old, [one for one, _ in matched]), _without(new, [other for _, other in matched])
    absent = [(thing._replace(content=ABSENT), thing) for thing in new]
    absent += [(thing, thing._replace(content=ABSENT)) for thing in old]
    return _labelled([*found, *absent])


def duplicates(some: Iterable[Thing]) -> list[str]:
    """The identities that several objects of one input have; the cluster accepts only one of them."""
    counts = Counter((thing.identity, str(thing)) for thing in some if thing.is_object and not thing.is_generated)
    return [name for (_, name), count in counts.items() if count > 1]


def _identity(thing: Thing) -> Hashable:
    return thing.identity


def _kind_and_name(thing: Thing) -> Hashable:
    return thing.kind, thing.name


def _kind(thing: Thing) -> Hashable:
    return thing.kind


def _by(key: _Key, old: list[Thing], new: list[Thing], *, alone: bool) -> _Matched:
    """Pair those that have a key in common, with `alone` only if no other thing has it."""
    mine, yours = _groups(key, old), _groups(key, new)
    both = [name for name in yours if name in mine]
    if alone:
        both = [name for name in both if len(mine[name]) == len(yours[name]) == 1]
    return [pair for name in both for pair in _alike(mine[name], yours[name])]


def _without(some: list[Thing], others: list[Thing]) -> list[Thing]:
    gone = {id(thing) for thing in others}
    return [thing for thing in some if id(thing) not in gone]


def _groups(key: _Key, some: list[Thing]) -> dict[Hashable, list[Thing]]:
    found: dict[Hashable, list[Thing]] = {}
    for thing in some:
        found.setdefault(key(thing), []).append(thing)
    return found


def _alike(old: list[Thing], new: list[Thing]) -> _Matched:
    """Pair things of one identity: equal ones first, then those with the fewest differences."""
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    found: _Matched = []
    waiting: dict[str, list[Thing]] = {}
    for thing in old:
        waiting.setdefault(repr(thing.content), []).append(thing)
    others = []
    for thing in new:
        equal = waiting.get(repr(thing.content))
        if equal:
            found.append((equal.pop(0), thing))
        else:
            others.append(thing)
    left = [thing for some in waiting.values() for thing in some]
    return found + _nearest(left, others)


def _nearest(old: list[Thing], new: list[Thing]) -> _Matched:
    """Make as many pairs as possible, by the fewest differences, or in order if there are very many."""
    if len(old) * len(new) > _MOST_COMPARED:
        return list(zip(old, new, strict=False))
    found: _Matched = []
    every = [(_distance(one, other), i, j) for i, one in enumerate(old) for j, other in enumerate(new)]
    for _, i, j in sorted(every):
        if all(old[i] is not one and new[j] is not other for one, other in found):
            found.append((old[i], new[j]))
    return found


def _distance(one: Thing, other: Thing) -> int:
    return sum(1 for _ in differences(one.content, other.content))


def _labelled(found: _Matched) -> list[Pair]:
    """Label the pairs, with a number if several have the same name."""
    named = [str(one if other.content is ABSENT else other) for one, other in found]
    several = {name for name, count in Counter(named).items() if count > 1}
    numbers: Counter[str] = Counter()
    labels = []
    for name in named:
        numbers[name] += 1
        labels.append(f"{name} #{numbers[name]}" if name in several else name)
    return [Pair(one, other, label) for (one, other), label in zip(found, labels, strict=True)]
