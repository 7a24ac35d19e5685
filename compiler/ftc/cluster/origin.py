"""The place in the configuration, or in a file, that a field of a manifest comes from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ftc.explain.artifact import Place
from ftc.explain.origins import influences, sources
from ftc.explain.paths import Found, find
from ftc.plan import made
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftc.cluster.snapshot import Object
    from ftc.diagnostics.model import KeyPath, Position
    from ftc.driver import State
    from ftc.source import Document


class Origin(NamedTuple):
    """A key of the spec, or a path in a file, and the place that set it."""

    path: KeyPath = ()
    position: Position | None = None


class Manifest(NamedTuple):
    """An object to create; `origin` tells where the field at a path comes from, unless the key is known."""

    content: Object
    origin: Callable[[KeyPath, KeyPath], Origin]


def compiled(state: State, target: str) -> tuple[Manifest, ...]:
    """The objects of a target of a compiled run, in the order in which to create them."""

    def manifest(content: Object) -> Manifest:
        def origin(place: KeyPath, key: KeyPath) -> Origin:
            known = place if target in POD_TARGETS and isinstance(find(content, place), Found) else ()
            return _in_spec(state, target, Place(str(content["kind"]), known), key)

        return Manifest(content, origin)

    return tuple(manifest(one) for one in yaml.load_all(state.outputs[target], Loader=yaml.CSafeLoader))


def _in_spec(state: State, target: str, place: Place, key: KeyPath) -> Origin:
    """The key of the spec that decides; of several, the one that was set last."""
    if state.spec is None or state.run is None or state.composed is None:
        return Origin()
    composed = state.composed
    if key or not place.path:
        return Origin(key, composed.position(key)) if key else Origin()
    if made.about_origin(place.path):
        return Origin()
    setters = sources(POD_TARGETS[target], state.run, place)
    moving = influences(state.spec, POD_TARGETS[target], place, setters, state.run)
    keys = [one.key for one in setters if one.key] + [one.path for one in moving if not one.any_key]
    chosen = max(keys, key=composed.rank, default=())
    return Origin(chosen, composed.position(chosen)) if chosen else Origin()


def in_file(document: Document, content: Object, above: KeyPath = ()) -> Manifest:
    """An object of a file; `above` is its path if it is an item of a List."""
    return Manifest(content, lambda place, _: Origin(place, document.position((*above, *place))))


# A field as the API server and webhooks write it: `spec.tasks[0].template`, `metadata.labels[a.b/c]`.
_FIELD = re.compile(r"\b(?:spec|metadata)(?:\.[\w./-]+|\[[^\]]+\])+")
# Volcano's webhook writes the name of the list without its s (pkg/webhooks/admission/jobs/validate).
_TASK = re.compile(r"^spec\.task\[")


def fields(text: str) -> list[str]:
    """The fields that a message names."""
    return [_TASK.sub("spec.tasks[", one.rstrip(".")) for one in _FIELD.findall(text)]


def located(content: Any, field: str) -> KeyPath:
    """The path of a field in an object, as far as the object has it; a key may contain dots."""
    path: list[str | int] = []
    rest = field
    while rest:
        step, rest = _step(content, rest)
        if step is None:
            break
        content = content[step]
        path.append(step)
    return tuple(path)


def _step(content: Any, rest: str) -> tuple[str | int | None, str]:
    """The key or the index that a text begins with, and the text after it."""
    rest = rest.removeprefix(".")
    if rest.startswith("["):
        inner, _, after = rest[1:].partition("]")
        if isinstance(content, list):
            index = int(inner) if inner.isdecimal() else -1
            return (index if 0 <= index < len(content) else None), after
        return (inner if isinstance(content, dict) and inner in content else None), after
    keys = (
        [key for key in content if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        if isinstance(content, dict)
        else []
    )
    found = max(keys, key=len, default=None)
    return found, rest[len(found) :] if found else ""
