"""Compare runs before and after: the changes in each, and their causes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ftc import __version__
from ftc.diagnostics.model import Diagnostic
from ftc.diff import causes
from ftc.diff.changes import Change, differences
from ftc.diff.objects import Pair, Thing, pairs, things
from ftc.driver import State
from ftc.explain.origins import origins, plain
from ftc.explain.paths import Found, find, written
from ftc.plan.names import CARRIED
from ftc.releases import SCRIPTS, Step, lines, version
from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftc.diagnostics.model import KeyPath


FTC = "ftc"
"""The cause of a change that no key explains: this ftc compiles the same spec to other files than those kept."""


class Run(msgspec.Struct, frozen=True, dict=True):
    """One compiled run: its files and targets, and its compile, if there is one to find causes with.

    Files that were `kept` somewhere were compiled earlier, and this ftc may compile the same spec to other files; if
    they do not match their record, someone has edited them. Messages use the names of the files in `directory`. The
    `warnings` are those of the compile.
    """

    files: dict[str, str]
    targets: tuple[str, ...] = ()
    state: Callable[[], State | None] = lambda: None
    kept: str = ""
    is_edited: bool = False
    directory: str = ""
    warnings: tuple[Diagnostic, ...] = ()

    @cached_property
    def things(self) -> list[Thing]:
        """The objects and files that are compared."""
        return things(self.files)

    @cached_property
    def compiled(self) -> State | None:
        """The compile, which is made once."""
        return self.state()


class Status(StrEnum):
    """The kind of change of a run."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Cause(msgspec.Struct, frozen=True):
    """A key of the spec, and the places that set it before and after, empty without a spec; or ftc itself."""

    key: str
    before: str
    after: str


class Explained(msgspec.Struct, frozen=True):
    """A change, the object or file that contains it, and the keys that caused it."""

    thing: str
    change: Change
    causes: tuple[Cause, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """A run that differs, with its sides; an added or removed one has `things` instead of changes."""

    name: str
    status: Status
    changes: tuple[Explained, ...] = ()
    things: tuple[str, ...] = ()
    before: Run | None = None
    after: Run | None = None


def compare(before: Mapping[str, Run], after: Mapping[str, Run]) -> tuple[Difference, ...]:
    """The runs that differ, by name."""
    found = [_compare(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())]
    return tuple(one for one in found if one)


def between(state: State, before: str, after: str) -> tuple[Difference, ...]:
    """What differs in the pods that two targets make of one run."""
    pods = state.pods[before].pod.content, state.pods[after].pod.content
    changes = tuple(Explained(f"pod template, {before} → {after}", change) for change in differences(*pods))
    return (Difference("", Status.CHANGED, changes),) if changes else ()


def _compare(name: str, before: Run | None, after: Run | None) -> Difference | None:
    if before is None or after is None:
        status, run = (Status.ADDED, after) if after else (Status.REMOVED, before)
        things = tuple(str(one) for one in run.things) if run else ()
        return Difference(name, status, (), things, before, after)
    if before.files == after.files:
        return None
    found = [
        (pair, change)
        for pair in pairs(before.things, after.things)
        for change in differences(pair.before.content, pair.after.content)
    ]
    explained = tuple(_explained(found, before, after)) if found else ()
    return Difference(name, Status.CHANGED, explained, (), before, after) if found else None


def _explained(found: list[tuple[Pair, Change]], before: Run, after: Run) -> list[Explained]:
    old, new = before.compiled, after.compiled
    given = _given(found, old, new)
    effects: list[causes.Effect] = []
    if all(keys.all for keys in given):
        pass
    elif old and new and old.spec and new.spec:
        both = tuple(target for target in after.targets if target in before.targets)
        effects = causes.effects(old.spec, new.spec, both)
    elif new and new.spec:
        effects = causes.all_effects(new.spec, after.targets)
    known = [(effect, cause_of(effect.key, old, new)) for effect in effects]
    if before.kept and old:
        known.append((causes.of_ftc(before.files, _files(old)), Cause(FTC, before.kept, __version__)))
    explained = []
    for (pair, change), keys in zip(found, given, strict=True):
        near = () if keys.all else _near(known, pair.after.kind, change)
        found_causes = dict.fromkeys((*(cause_of(key, old, new) for key in keys.found), *near))
        explained.append(Explained(pair.label, change, tuple(found_causes)))
    return explained


def _given(found: list[tuple[Pair, Change]], old: State | None, new: State | None) -> list[causes.Keys]:
    """The keys of the fragments that caused each change of a pod."""
    if new is None or new.spec is None:
        return [causes.Keys()] * len(found)
    before, after = causes.Side(old) if old and old.spec else None, causes.Side(new)
    return [causes.of_fragments(before, after, pair.after.kind, change.address) for pair, change in found]


def _near(known: list[tuple[causes.Effect, Cause]], kind: str, change: Change) -> tuple[Cause, ...]:
    """The causes of a change, the nearest first."""
    found = [(effect.reach(kind, change), cause) for effect, cause in known if effect.has_moved(kind, change)]
    return tuple(cause for _, cause in sorted(found, key=lambda one: one[0]))


def _files(state: State) -> dict[str, str]:
    return {artifact.name: artifact.text for artifact in state.artifacts()}


def cause_of(key: KeyPath, old: State | None, new: State | None) -> Cause:
    """A key with the places that set it on both sides."""
    return Cause(written(key), _place(old, key), _place(new, key))


def _place(state: State | None, key: KeyPath) -> str:
    """The file or override that set a key, or the key that it refers to."""
    if state is None or state.composed is None or state.spec is None:
        return ""
    data = plain(state.spec)
    there = find(data, key)
    inside: Any = there.value if isinstance(there, Found) else None
    asked = (*key, "kind") if isinstance(inside, dict) and "kind" in inside else key
    chain = [one for one in origins(state.composed, data, [asked]) if one.settings]
    if not chain and isinstance(inside, dict) and inside:  # its keys are set one by one
        return _place(state, (*key, next(iter(inside))))
    if not chain:
        return "the default"
    position = chain[-1].settings[-1].position
    return f"{shown(position.source)}:{position.line}" if position.line else position.source


def shown(source: str) -> str:
    """Name a file; a file that ships with ftc has the same name on every machine."""
    shipped = f"{directory('conf')}/"
    return f"<ftc>/conf/{source.removeprefix(shipped)}" if source.startswith(shipped) else source


_SCRIPT = re.compile(rf"{re.escape(CARRIED)}[\w.-]+\.(?:sh|py)")
# The name of a runtime ends in a digest of it.
_NAMES = (("metadata", "name"), ("spec", "runtimeRef", "name"))


def folded(
    found: Sequence[Difference], before: Mapping[str, Run], after: Mapping[str, Run]
) -> tuple[tuple[Difference, ...], list[str]]:
    """The differences without those of a release, and the lines that say what it changes."""
    written = [one for one in found if any(map(_is_of_release, one.changes))]
    steps = {one.name: step for one in written if (step := _step(before.get(one.name), after.get(one.name)))}
    only = next(iter(steps.values())) if len({*steps.values()}) == 1 else None
    left: list[Difference] = []
    changed: list[tuple[Step, bool]] = []
    for one in found:
        step = steps.get(one.name, only if all(map(_is_of_scripts, one.changes)) else None)
        others = tuple(item for item in one.changes if step is None or not _is_of_release(item))
        if step and len(others) < len(one.changes):
            changed.append((step, True))
        if others or not one.changes:
            left.append(msgspec.structs.replace(one, changes=others))
    return tuple(left), lines(changed)


def _is_of_scripts(item: Explained) -> bool:
    """Whether a change is in the ConfigMap with ftc's scripts, which does not name a version."""
    return SCRIPTS.fullmatch(item.thing.removeprefix("ConfigMap/").partition(" ")[0]) is not None


def _step(before: Run | None, after: Run | None) -> Step | None:
    """The releases that wrote the sides of a run; None if a person, and not another build, may have edited a script."""
    old, new = _version(before), _version(after)
    is_edited = before is not None and before.is_edited and old == new
    return Step(old, new) if old and new and not is_edited else None


def _version(run: Run | None) -> str:
    return next((found for text in (run.files.values() if run else ()) if (found := version(text))), "")


def _is_of_release(item: Explained) -> bool:
    change = item.change
    names = [value for value in (change.before, change.after) if isinstance(value, str) and SCRIPTS.fullmatch(value)]
    if len(names) == 2 or _is_of_scripts(item):  # noqa: PLR2004 - both sides
        return True
    by_ftc = [cause.key for cause in item.causes] == [FTC]
    return by_ftc and (change.address in _NAMES or any(_SCRIPT.fullmatch(str(step)) for step in change.address))
