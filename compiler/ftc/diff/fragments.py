"""Find the fragments that set a changed field of a pod; the merge has recorded them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.driver import State
from ftc.explain.artifact import Address, steps
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
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
        return {target.kind: target.bind(run).pod for target in POD_TARGETS.values()} if run else {}

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


def keys(before: Side | None, after: Side, kind: str, address: Address) -> Keys:
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
