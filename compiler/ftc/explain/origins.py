"""The origin of a value: everything that set a key of the spec, and the keys that change a place of an artifact.

The merge has recorded what fragments set in the pod; for other places keys are changed, and the output is compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.compose.references import referred
from ftc.compose.types import Setting
from ftc.diagnostics.model import KeyPath
from ftc.explain.artifact import address, documents, look
from ftc.explain.paths import Found, find
from ftc.plan import names
from ftc.plan.build import plan
from ftc.plan.pod import PLAN
from ftc.spec.job import JobSpec
from ftc.spec.schema import definition, spec_schema, variant
from ftc.targets.target import PodTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ftc.compose import Composed
    from ftc.explain.artifact import Documents, Place
    from ftc.plan.merge import Source
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.targets.target import Target


class Origin(msgspec.Struct, frozen=True):
    """A key of the spec, its value, and its settings; the last one wins, and without any the value is ftc's default."""

    path: KeyPath
    value: Any
    settings: tuple[Setting, ...]


def plain(spec: JobSpec) -> Json:
    """The spec as plain mappings and lists."""
    data: Json = msgspec.json.decode(msgspec.json.encode(spec))
    return data


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The leaf keys below a key; the key itself if it is one. A missing value yields nothing."""
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in inner:
        yield from leaves(one, (*path, key))
    if not inner and path:
        yield path


def origins(composed: Composed, data: Any, paths: Iterable[KeyPath]) -> list[Origin]:
    """The origins of keys and of the keys that their values refer to, each once."""
    found: dict[KeyPath, Origin] = {}
    waiting = list(paths)
    while waiting:
        key = waiting.pop(0)
        if key not in found:
            found[key] = origin = _origin(composed, data, key)
            waiting = [*_referred(origin), *waiting]
    return list(found.values())


def _origin(composed: Composed, data: Any, path: KeyPath) -> Origin:
    there = find(data, path)
    return Origin(path, there.value if isinstance(there, Found) else None, composed.settings(path))


def _referred(origin: Origin) -> list[KeyPath]:
    """The keys that the winning setting refers to; if a parent is a reference, the matching key below its target."""
    if not origin.settings or not isinstance(origin.settings[-1].value, str):
        return []
    won = origin.settings[-1]
    return [(*target, *origin.path[len(won.path) :]) for target in referred(won.value, won.path)]


# A key that no map has.
_NEW = "added"
_OPEN: dict[str, Any] = {}


class Variation(NamedTuple):
    """The key that gets another value; `any_key` means any key (or item) that is added to it.

    A switch (a key without a value, a choice, true or false) may hide what other keys do. A text of a map, which may
    have thousands of keys, has its `limits`.
    """

    path: KeyPath
    value: Any
    any_key: bool = False
    is_switch: bool = False
    limits: dict[str, Any] | None = None

    def marked(self, mark: str) -> Variation | None:
        """The same with a mark in the text; None for other values, or if the mark does not fit."""
        text = f"{self.value}{mark}"
        return self._replace(value=text) if self.limits is not None and _fits(text, self.limits) else None


def variations(data: dict[str, Any], name: str) -> Iterator[Variation]:
    """Vary each leaf of a spec at least once; maps get a key of the given name, if any, and one that no map has."""
    yield from _vary(data, spec_schema(), (), name)


def changed(data: Any, *applied: Variation) -> Any:
    """Apply variations of different keys at once; the data itself is not changed."""
    return _replaced(data, [(one.path, one.value) for one in applied]) if applied else data


def _replaced(data: Any, changes: list[tuple[KeyPath, Any]]) -> Any:
    if not changes[0][0]:
        return changes[0][1]
    below: dict[str | int, list[tuple[KeyPath, Any]]] = {}
    for path, value in changes:
        below.setdefault(path[0], []).append((path[1:], value))
    if isinstance(data, dict):
        return {**data, **{key: _replaced(data.get(key), inner) for key, inner in below.items()}}
    items = dict(enumerate(data))
    items.update((int(index), _replaced(items.get(int(index)), inner)) for index, inner in below.items())
    return list(items.values())


def _vary(value: Any, schema: dict[str, Any], path: KeyPath, name: str) -> Iterator[Variation]:
    schema = _resolved(schema, value)
    if isinstance(value, dict):
        yield from _vary_mapping(value, schema, path, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _vary(item, schema.get("items", _OPEN), (*path, index), name)
        added = _example(schema["items"]) if "items" in schema else None
        if added is not None:
            yield Variation((*path, len(value)), added, any_key=True)
    else:
        yield from (Variation(path, other) for other in _others(value, schema))


def _vary_mapping(value: dict[str, Any], schema: dict[str, Any], path: KeyPath, name: str) -> Iterator[Variation]:
    known = schema.get("properties", {})
    for key, inner in value.items():
        if not (key == "kind" and "kind" in known):  # another kind has other keys
            below = known.get(key, schema.get("additionalProperties", _OPEN))
            varied = _vary(inner, below, (*path, key), name)
            if key not in known and isinstance(inner, str):
                varied = (one._replace(limits=_resolved(below, inner)) for one in varied)
            elif key in known and (inner is None or isinstance(inner, bool) or "enum" in _resolved(below, inner)):
                varied = (one._replace(is_switch=True) for one in varied)
            yield from varied
    extra = schema.get("additionalProperties", not known)
    if extra is not False and "pod" not in path and path[:1] != ("job",):  # a fragment is not a map of names
        added = _example(extra) if isinstance(extra, dict) else _NEW
        yield Variation((*path, _NEW), added, any_key=True)
        if name and name not in value and _fits(name, schema.get("propertyNames", _OPEN)):
            yield Variation((*path, name), added)


def _resolved(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """The schema of the value itself, without references, null, and the other kinds of a union."""
    while "$ref" in schema or "then" in schema or "allOf" in schema:
        if "$ref" in schema:
            schema = definition(schema["$ref"])
        elif "then" in schema:
            schema = schema["then"]
        else:
            kind = value.get("kind") if isinstance(value, dict) else schema["properties"]["kind"]["enum"][0]
            schema = variant(schema, kind) or _OPEN
    return schema


def _others(value: Any, schema: dict[str, Any]) -> list[Any]:
    """Other values that the schema allows: all options of a choice, else the nearest values."""
    if value is None:
        example = _example(schema)
        return [] if example is None else [example]
    if "enum" in schema:
        return [choice for choice in schema["enum"] if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [other for other in (value + 1, value - 1) if _fits(other, schema)][:1]
    return [text for text in _texts(value) if text != value and _fits(text, schema)][:1]


def _texts(text: str) -> Iterator[str]:
    """Strings similar to a string."""
    yield f"{text}x"
    yield re.sub(r"[0-9]+(?=\D*$)", lambda number: str(int(number[0]) + 1), text)
    yield f"{text[:-1]}x"
    yield f"{text[:-1]}y"
    yield from _EXAMPLES


_EXAMPLES = ("x", "X", "/x", "1Gi", "1.0", "https://example.com/x", "example.com/x", "MULTI_X")


def _example(schema: dict[str, Any]) -> Any:
    """A small value that the schema allows; None if none is known."""
    schema = _resolved(schema, None)
    if schema == _OPEN:
        return _NEW
    if "enum" in schema:
        return schema["enum"][0]
    examples: dict[str, Callable[[], Any]] = {
        "object": lambda: {key: _example(schema["properties"][key]) for key in schema.get("required", ())},
        "array": lambda: [_example(schema["items"])] if schema.get("minItems") else [],
        "string": lambda: next((text for text in _EXAMPLES if _fits(text, schema)), None),
        "integer": lambda: max(schema.get("minimum", 1), 1),
        "boolean": lambda: True,
    }
    return examples[schema["type"]]() if schema.get("type") in examples else None


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a scalar is within the limits of its schema."""
    if isinstance(value, str):
        limits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return limits and re.search(schema.get("pattern", ""), value) is not None
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


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


def influences(
    spec: JobSpec, target: Target, place: Place, setters: tuple[Source, ...], origin: RunPlan | None = None
) -> tuple[Influence, ...]:
    """Find keys that change what ftc set at a place, in the order of the spec; there may be more.

    The `setters` of the place that have a key are fragments: they need no search. The place may be that of a run with
    an `origin`; the runs that are compared do not have it, because every key would change it.

    Keys that change it only together are not found, and the kind of a union is not varied.
    """
    left = {source.fragment for source in setters if source.key is None}
    if setters and not left:
        return ()
    run, data = plan(spec), plain(spec)
    value = _reader(target, origin or run, place)
    found = value(run)
    # Fragments cannot change what the plan set, because the plan is made without them.
    fragments = [fragment.key for fragment in run.fragments if fragment.key and left == {PLAN}]
    tried = [one for one in variations(data, _name(place)) if not _is_below(one.path, fragments)]

    def read(group: Sequence[Variation]) -> Any:
        """The value if these keys change; the old one if they change only the digest in a fixed name."""
        other = plan(msgspec.convert(changed(data, *group), JobSpec))
        return found if msgspec.structs.replace(other, fixed_name=run.fixed_name) == run else value(other)

    moving = _arriving(tried, found, read)
    if value(msgspec.structs.replace(run, fixed_name=f"{run.fixed_name}x")) != found:
        moving |= {one.path for one in tried if names.renames(spec, one.path)}
    for group in _groups(tried):
        moving |= _found_in([one for one in group if one.path not in moving], lambda some: read(some) != found)
    return _influences(data, [one for one in tried if one.path in moving])


def _found_in(group: list[Variation], moves: Callable[[list[Variation]], bool]) -> set[KeyPath]:
    """The keys of a group that move a value: few do, so halves that do not are left out as a whole."""
    if not group or not moves(group):
        return set()
    half = len(group) // 2
    return _found_in(group[:half], moves) | _found_in(group[half:], moves) if half else {group[0].path}


def _groups(tried: Iterable[Variation]) -> Iterator[list[Variation]]:
    """Each switch by itself, and all others together."""
    together = []
    for one in tried:
        if one.is_switch:
            yield [one]
        else:
            together.append(one)
    yield together


_MARK = re.compile("ftc([0-9]+)ftc")


def _arriving(tried: list[Variation], found: Any, read: Callable[[list[Variation]], Any]) -> set[KeyPath]:
    """The keys of maps whose texts arrive at a place: all get a text with a mark at once, however many there are."""
    marked = {str(i): text for i, one in enumerate(tried) if (text := one.marked(f"ftc{i}ftc"))}
    before = {*_MARK.findall(repr(found))}
    after = {*_MARK.findall(repr(read(list(marked.values()))))} if marked else set()
    return {marked[i].path for i in after - before if i in marked}


def _reader(target: Target, run: RunPlan, place: Place) -> Callable[[RunPlan], Any]:
    """A function that reads the value at a place of another run: from the objects, or from the emitted text."""
    path = in_pod(target, place)
    if isinstance(target, PodTarget) and path is not None:
        bind = target.bind
        where = address(bind(run).pod.content, path)
        return lambda other: look(bind(other).pod.content, where)

    def emitted(other: RunPlan) -> Documents:
        if isinstance(target, PodTarget):
            return {one["kind"]: one for one in target.complete(target.bind(other))}
        return documents(target.text(other), other)

    where = address(emitted(run)[place.document], place.path)
    return lambda other: look(emitted(other).get(place.document), where)


def _is_below(path: KeyPath, keys: list[KeyPath]) -> bool:
    return any(path[: len(key)] == key for key in keys)


def _influences(data: Json, moving: Iterable[Variation]) -> tuple[Influence, ...]:
    """The keys of variations, each once, without the keys of a map that an added key represents."""
    found: dict[Influence, None] = {}
    for variation in moving:
        owner = Influence(variation.path[:-1], any_key=True)
        if not (owner in found and not _is_there(data, variation.path)):
            found[owner if variation.any_key else Influence(variation.path)] = None
    return tuple(found)


def _is_there(data: Json, path: KeyPath) -> bool:
    return isinstance(find(data, path), Found)


def _name(place: Place) -> str:
    """The last name of a path: a key of that name, once added, may change the value."""
    return next((step for step in reversed(place.path) if isinstance(step, str)), "")
