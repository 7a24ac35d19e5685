"""The objects of compiled files, identified as Kubernetes identifies them, and the pairs of before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from ftc.diff.changes import differences
from ftc.driver import SPEC
from ftc.explain.artifact import ABSENT
from ftc.plan import made
from ftc.plan.names import CARRIED
from ftc.source import documents, parse
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.diagnostics.model import KeyPath


MANIFESTS = (".yaml", ".yml")
_LIST = "List"
_NAMING = {"apiVersion", "kind", "resources"}


Read: TypeAlias = Callable[[str], Iterable[Any]]
"""How to read the documents of a text."""


def encoded(text: str) -> bytes:
    """Encode a file's text; bytes that are not UTF-8 are kept as surrogates, so that two of them can differ."""
    return text.encode("utf-8", "surrogateescape")


def as_kubernetes(text: str) -> list[Any]:
    """The documents that Kubernetes would read; the text itself if it is malformed."""
    found, problems = documents(encoded(text), "")
    return [text] if problems else [document.data for document in found]


class Thing(NamedTuple):
    """A Kubernetes object, with its kind as kubectl writes it (`Job.batch`), or a file, with its name.

    The API version is not part of the identity. The cluster generates the name of an object with a `generateName`, so
    several objects may have the same one.
    """

    kind: str
    name: str
    content: Any
    namespace: str = ""
    is_object: bool = False
    is_generated: bool = False

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}{f' in {self.namespace}' if self.namespace else ''}" if self.name else self.kind

    @property
    def identity(self) -> tuple[str, ...]:
        """The identity, which two objects of a cluster cannot share unless the cluster generates their names."""
        return self.kind, self.namespace, self.name


def things(files: Mapping[str, str], read: Read = as_kubernetes) -> list[Thing]:
    """Everything in the files, once: not the spec, whose effects these are, nor what a manifest carries itself."""
    found = [_without_origin(one) for name, text in files.items() if name != SPEC for one in _things(name, text, read)]
    found = [thing for thing in found if not _only_names(thing.content, files)]
    carried = {text for thing in found if thing.is_object for text in _carried(thing.content)}
    return [thing for thing in found if thing.is_object or files[thing.kind] not in carried]


def _without_origin(thing: Thing) -> Thing:
    """The object without what tells its origin: the effects of the overrides and the spec are compared."""
    paths = [target.path for target in POD_TARGETS.values() if target.kind == thing.kind]
    content = thing.content
    for path in ((), *paths) if thing.is_object else ():
        content = _changed(content, (*path, "metadata", "annotations"), _annotations)
        content = _changed(content, (*path, "spec", "containers"), _containers)
    return thing._replace(content=content)


def _annotations(given: Any) -> Any:
    return {key: value for key, value in given.items() if key not in made.ANNOTATIONS} or ABSENT


def _containers(given: Any) -> Any:
    return [_changed(one, ("env",), lambda env: [*map(_variable, env)]) for one in given]


def _variable(given: Any) -> Any:
    return (
        {**given, "value": made.without_digest(given["name"], given["value"])}
        if {*given} == {"name", "value"}
        else given
    )


def _changed(value: Any, path: KeyPath, change: Callable[[Any], Any]) -> Any:
    """A copy in which the collection at a path is changed, or removed; the value itself if the path does not exist."""
    if not path:
        return change(value) if isinstance(value, dict | list) and value else value
    step, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [_changed(one, rest, change) if index == step else one for index, one in enumerate(value)]
    if not isinstance(value, dict) or step not in value:
        return value
    inner = _changed(value[step], rest, change)
    return {key: inner if key == step else one for key, one in value.items() if key != step or inner is not ABSENT}


def _only_names(content: Any, files: Mapping[str, str]) -> bool:
    """Whether a document is a kustomization that only lists some of the files, and directories next to theirs."""
    if not isinstance(content, dict) or content.get("kind") != "Kustomization" or content.keys() - _NAMING:
        return False
    named = content.get("resources")
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return False
    others = [name for name in named if name not in files]
    return len(others) < len(named) and all(name.startswith("../") for name in others)


def _things(name: str, text: str, read: Read) -> Iterator[Thing]:
    if name.endswith(MANIFESTS):
        for content in read(text):
            yield from _objects(name, content)
    else:
        document, _ = parse(text, name) if name.endswith(".json") and _is_unicode(text) else (None, ())
        yield from _objects(name, document.data if document else text)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _objects(file: str, content: Any) -> Iterator[Thing]:
    """The objects of a document; the items of a kubectl list are objects themselves."""
    if not (isinstance(content, dict) and "kind" in content and "apiVersion" in content):
        yield Thing(file, "", content)
    elif str(content["kind"]).endswith(_LIST) and isinstance(content.get("items"), list):
        for item in content["items"]:
            yield from _objects(file, _typed(item, content))
    else:
        metadata = content.get("metadata")
        names = metadata if isinstance(metadata, dict) else {}
        name = names.get("name") or names.get("generateName") or "?"
        generated = not names.get("name")
        yield Thing(_kind(content), str(name), content, str(names.get("namespace") or ""), True, generated)  # noqa: FBT003


def _typed(item: Any, of_list: dict[str, Any]) -> Any:
    """Add the kind to an item of a typed list (`JobList`), which omits it."""
    kind = str(of_list["kind"]).removesuffix(_LIST)
    if not isinstance(item, dict) or not kind:
        return item
    return {"apiVersion": of_list["apiVersion"], "kind": kind, **item}


def _kind(content: dict[str, Any]) -> str:
    group, slash, _ = str(content["apiVersion"]).partition("/")
    return f"{content['kind']}.{group}" if slash else str(content["kind"])


def _carried(value: Any) -> Iterator[str]:
    """The files that a manifest carries as annotations."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if str(key).startswith(CARRIED) and isinstance(inner, str):
                yield inner
            else:
                yield from _carried(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _carried(inner)


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
    for key, alone in ((_identity, False), (_kind_and_name, True), (_kind_only, True)):
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


def _kind_only(thing: Thing) -> Hashable:
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
