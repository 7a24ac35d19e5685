"""Find the keys of the spec that change the value at a place of an artifact.

The merge has recorded what fragments set in the pod; for everything else each key is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.explain.artifact import address, documents, look
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.explain.variations import Variation, changed, variations
from ftc.plan.build import plan
from ftc.plan.pod import PLAN
from ftc.spec.job import JobSpec
from ftc.targets.target import PodTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.explain.artifact import Place
    from ftc.plan.merge import Source
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.targets.target import Target


class Influence(NamedTuple):
    """A key that changes a value; `any_key` means any key (or item) that is added to it."""

    path: KeyPath
    any_key: bool = False


def in_pod(target: Target, place: Place) -> KeyPath | None:
    """The path of a place in the target's pod template; None outside of it."""
    if not isinstance(target, PodTarget) or not target.kind.startswith(f"{place.document}."):
        return None
    depth = len(target.path)
    return place.path[depth:] if place.path[:depth] == target.path else None


def sources(target: Target, run: RunPlan, place: Place) -> tuple[Source, ...]:
    """The fragments that set what is at a place; none if the place is not in a pod."""
    path = in_pod(target, place)
    return target.bind(run).pod.at(path).sources() if isinstance(target, PodTarget) and path is not None else ()


def influences(spec: JobSpec, target: Target, place: Place, setters: tuple[Source, ...]) -> tuple[Influence, ...]:
    """Find keys that change what ftc set at a place, in the order of the spec; there may be more.

    The `setters` of the place that have a key are fragments: they need no search.

    Keys that change it only together are not found, and the kind of a union is not varied.
    """
    left = {source.fragment for source in setters if source.key is None}
    if setters and not left:
        return ()
    run = plan(spec)
    value = _reader(target, run, place)
    found = value(run)

    def moves(other: RunPlan) -> bool:
        return bool(value(other) != found)

    # Most keys change only the digest of the spec in a fixed name: one of them is tried for all.
    by_name = moves(msgspec.structs.replace(run, fixed_name=f"{run.fixed_name}x"))

    def matters(data: Json) -> bool:
        other = plan(msgspec.convert(data, JobSpec))
        renamed = other.fixed_name != run.fixed_name
        return (renamed and by_name) or (
            msgspec.structs.replace(other, fixed_name=run.fixed_name) != run and moves(other)
        )

    # Fragments cannot change what the plan set, because the plan is made without them.
    fragments = [fragment.key for fragment in run.fragments if fragment.key and left == {PLAN}]
    tried = [one for one in variations(plain(spec), _name(place)) if not _is_below(one.path, fragments)]
    return tuple(_moving(plain(spec), tried, matters))


def _reader(target: Target, run: RunPlan, place: Place) -> Callable[[RunPlan], Any]:
    """A function that reads the value at a place of another run: from the pod itself, or from the emitted text."""
    path = in_pod(target, place)
    if isinstance(target, PodTarget) and path is not None:
        bind = target.bind
        where = address(bind(run).pod.content, path)
        return lambda other: look(bind(other).pod.content, where)
    text = target.text(run)
    read = documents(text, run)[place.document]
    where = address(read, place.path)
    value = look(read, where)

    def emitted(other: RunPlan) -> Any:
        changed_text = target.text(other)
        return value if changed_text == text else look(documents(changed_text, other).get(place.document), where)

    return emitted


def _is_below(path: KeyPath, keys: list[KeyPath]) -> bool:
    return any(path[: len(key)] == key for key in keys)


def _moving(data: Json, tried: list[Variation], moves: Callable[[Json], bool]) -> Iterator[Influence]:
    found: set[Influence] = set()
    for variation in tried:
        owner = Influence(variation.path[:-1], any_key=True)
        key = owner if variation.any_key else Influence(variation.path)
        told = key in found or (owner in found and not _is_there(data, variation.path))
        if not told and moves(changed(data, variation)):
            found.add(key)
            yield key


def _is_there(data: Json, path: KeyPath) -> bool:
    return isinstance(find(data, path), Found)


def _name(place: Place) -> str:
    """The last name of a path: a key of that name, once added, may change the value."""
    return next((step for step in reversed(place.path) if isinstance(step, str)), "")
