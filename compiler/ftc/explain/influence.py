"""Find the keys of the spec that change the value at a place of an artifact, by changing each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.explain.artifact import address, documents, look
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.explain.variations import changed, variations
from ftc.plan.build import plan
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.explain.artifact import Place
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.targets import Target


class Influence(NamedTuple):
    """A key that changes a value; `any_key` means any key (or item) that is added to it."""

    path: KeyPath
    any_key: bool = False


def influences(spec: JobSpec, target: Target, place: Place) -> tuple[Influence, ...]:
    """Find keys that change the value at a place, in the order of the spec; there may be more.

    Keys that change it only together are not found, and the kind of a union is not varied.
    """
    run = plan(spec)
    text = target.emit(run)
    document = documents(text, run)[place.document]
    where = address(document, place.path)
    stands = look(document, where)

    def moves(other: RunPlan) -> bool:
        emitted = target.emit(other)
        return emitted != text and look(documents(emitted, other).get(place.document), where) != stands

    # Most keys change only the digest of the spec in a fixed name: one of them is tried for all.
    by_name = moves(msgspec.structs.replace(run, fixed_name=f"{run.fixed_name}x"))

    def matters(data: Json) -> bool:
        other = plan(msgspec.convert(data, JobSpec))
        renamed = other.fixed_name != run.fixed_name
        return (renamed and by_name) or (
            msgspec.structs.replace(other, fixed_name=run.fixed_name) != run and moves(other)
        )

    return tuple(_moving(plain(spec), _name(place), matters))


def _moving(data: Json, name: str, moves: Callable[[Json], bool]) -> Iterator[Influence]:
    found: set[Influence] = set()
    for variation in variations(data, name):
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
