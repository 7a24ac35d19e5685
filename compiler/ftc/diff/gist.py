"""The gist of a difference: the facts of a run that a reviewer looks for first, and the keys that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.diff.causes import differing
from ftc.diff.report import FTC, cause_of, shown
from ftc.explain.artifact import ABSENT
from ftc.explain.origins import plain
from ftc.explain.paths import Found, find, written
from ftc.plan.names import method_words
from ftc.spec.model import names
from ftc.summary.build import summary
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.diff.report import Cause, Difference, Run
    from ftc.driver import State
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec
    from ftc.summary.types import Batch, DeviceMemory, Summary, Topology

FACTS = ("training", "data", "devices", "memory", "batch", "steps")


class Key(NamedTuple):
    """A key of the spec, or a group of options, that differs; one of the values may be ABSENT."""

    name: str
    before: Any
    after: Any
    place: str = ""


def summary_of(run: Run | None) -> Summary | None:
    """The summary of a run; None if its spec is unknown, or if none of its targets runs a pod."""
    state = run.compiled if run else None
    target = next((name for name in (run.targets if run else ()) if name in POD_TARGETS), None)
    if state is None or state.spec is None or state.run is None or target is None:
        return None
    bound = state.pods.get(target) or POD_TARGETS[target].bind(state.run)
    return summary(state.spec, bound, POD_TARGETS[target].summary(bound))


def facts(run: Run | None) -> dict[str, str]:
    """The facts that are known of a run, each in a few words, by their names in FACTS."""
    found, state = summary_of(run), run.compiled if run else None
    if found is None or state is None or state.spec is None:
        return {}
    words = {
        "training": _training(state.spec),
        "data": _data(state.spec, found.batch),
        "devices": _devices(found.topology),
        "memory": _memory(found.memory),
        **_batch(found.batch),
    }
    return {name: text for name, text in words.items() if text}


def _training(spec: JobSpec) -> str:
    if not spec.trains or spec.tuned is None:
        return "your program"
    return f"{method_words(spec, spec.tuned.method)} of {spec.tuned.model.id}"


def _data(spec: JobSpec, batch: Batch | None) -> str:
    rows = f" ({batch.rows:,} rows)" if batch and batch.rows else ""
    return f"{', '.join(names(spec.dataset.trained))}{rows}" if spec.dataset else ""


def _devices(topology: Topology) -> str:
    nodes, least = topology.nodes, topology.min_nodes
    what = topology.resource or f"CPU process{'es' if topology.devices > 1 else ''}"
    return f"{nodes if nodes == least else f'{least} to {nodes}'} x {topology.devices} {what}"


def _memory(memory: DeviceMemory) -> str:
    if memory.total_mib is None:
        return ""
    room = f" of {memory.device_mib / 1024:.0f}" if memory.device_mib else ""
    return f"{memory.total_mib / 1024:.1f}{room} GiB"


def _batch(batch: Batch | None) -> dict[str, str]:
    if batch is None:
        return {}
    found = {"batch": f"{batch.sequences:,} x {batch.cutoff_length:,} tokens"}
    steps = batch.steps or batch.steps_at_most
    return {**found, "steps": f"{steps:,}"} if steps else found


def keys(difference: Difference) -> Iterator[Key]:
    """The keys that differ between the specs; an option of a group is one, and so is another ftc.

    Of the keys that an option of another group sets, only those are listed that the run sets itself.
    """
    old = difference.before.compiled if difference.before else None
    new = difference.after.compiled if difference.after else None
    if old and new and old.spec and new.spec:
        before, after = plain(old.spec), plain(new.spec)
        options = tuple(_options(old, new))
        yield from options
        groups = [_package(one.name) for one in options]
        for key in differing(before, after):
            of_option = any(key[: len(group)] == group for group in groups)
            listed = _set_by_run(key, (before, old), (after, new)) if of_option else (key,)
            for one in listed:
                yield Key(written(one), _at(before, one), _at(after, one), _place(cause_of(one, old, new)))
    causes = {cause for item in difference.changes for cause in item.causes if cause.key == FTC}
    yield from (Key(cause.key, cause.before, cause.after) for cause in sorted(causes, key=str))


def _set_by_run(key: KeyPath, *sides: tuple[Json, State]) -> Iterator[KeyPath]:
    """The keys at and below a key that an override or the primary config sets on one of the sides."""
    values = [_at(data, key) for data, _ in sides]
    below = dict.fromkeys(name for value in values if isinstance(value, dict) for name in value)
    for name in below:
        yield from _set_by_run((*key, name), *sides)
    composed = [run.composed for _, run in sides if run.composed]
    if not below and any(one.settings(key) and one.is_of_run(key) for one in composed):
        yield key


_OVERRIDE = "an override"


def _place(cause: Cause) -> str:
    """The place that sets a key now; the text of an override would repeat the key and the value."""
    return _OVERRIDE if cause.after.startswith(f"{cause.key}=") else cause.after


def _options(old: State, new: State) -> Iterator[Key]:
    if not old.composed or not new.composed:
        return
    before, after = old.composed.choices, new.composed.choices
    for group in [*after, *(one for one in before if one not in after)]:
        if before.get(group) != after.get(group):
            option = after.get(group)
            place = _place_of_option(group, option, new) if option else ""
            yield Key(group, before.get(group) or ABSENT, option or ABSENT, place)


def _place_of_option(group: str, option: str, run: State) -> str:
    """The override or the item of a defaults list that chooses an option."""
    if any(text.lstrip("+").partition("=")[0] == group for text in run.request.overrides):
        return _OVERRIDE
    name, _, package = group.partition("@")
    for layer in reversed(run.composed.layers if run.composed else ()):
        items = layer.document.data.get("defaults") or ()
        for index, item in enumerate(items):
            for key, value in item.items() if isinstance(item, dict) else ():
                named, _, below = key.removeprefix("override ").strip(" /").partition("@")
                if (value, named) == (option, name) and package in (below, ".".join((*layer.package, below))):
                    place = layer.document.position(("defaults", index))
                    return f"{shown(place.source)}:{place.line}"
    return ""


def _package(group: str) -> KeyPath:
    """The keys that the options of a group set: `source@model.source` sets those of `model.source`."""
    name, _, package = group.partition("@")
    return tuple((package or name).replace("/", ".").split("."))


def _at(data: Json, key: KeyPath) -> Any:
    there = find(data, key)
    return there.value if isinstance(there, Found) else ABSENT
