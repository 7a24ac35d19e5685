"""The objects of compiled files, and which of them are the same thing before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ftc.driver import SPEC
from ftc.explain.artifact import ABSENT
from ftc.output import kustomization
from ftc.plan.pod import CARRIED
from ftc.source import documents, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ASIDE = (SPEC, kustomization.FILE)
MANIFESTS = (".yaml", ".yml")


Read: TypeAlias = Callable[[str], Iterable[Any]]
"""How the documents of a text are read."""


def as_kubernetes(text: str) -> list[Any]:
    """The documents that Kubernetes would read; the text itself where it is malformed."""
    found, problems = documents(text.encode(), "")
    return [text] if problems else [document.data for document in found]


class Thing(NamedTuple):
    """An object of Kubernetes, with its kind as kubectl writes it (`Job.batch`), or a file, with its name."""

    kind: str
    name: str
    content: Any

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


class Pair(NamedTuple):
    """The same thing before and after; ABSENT content where it is not there."""

    before: Thing
    after: Thing


def things(files: Mapping[str, str], read: Read = as_kubernetes) -> list[Thing]:
    """All that the files say, once: neither the spec, whose effects these are, nor what a manifest carries itself."""
    found = [thing for name, text in files.items() if name not in _ASIDE for thing in _things(name, text, read)]
    carried = {text for thing in found if thing.name for text in _carried(thing.content)}
    return [thing for thing in found if thing.name or files[thing.kind] not in carried]


def _things(name: str, text: str, read: Read) -> Iterator[Thing]:
    if name.endswith(MANIFESTS):
        for content in read(text):
            is_object = isinstance(content, dict) and "kind" in content and "apiVersion" in content
            yield Thing(_kind(content), _name(content), content) if is_object else Thing(name, "", content)
    else:
        document, _ = parse(text, name) if name.endswith(".json") else (None, ())
        yield Thing(name, "", document.data if document else text)


def _kind(content: dict[str, Any]) -> str:
    group, slash, _ = str(content["apiVersion"]).partition("/")
    return f"{content['kind']}.{group}" if slash else str(content["kind"])


def _name(content: dict[str, Any]) -> str:
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(metadata.get("name") or metadata.get("generateName") or "?")


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


def pairs(before: list[Thing], after: list[Thing]) -> list[Pair]:
    """What belongs together: by kind and name, and the one of its kind that is left on both sides."""
    old, new = {str(thing): thing for thing in before}, {str(thing): thing for thing in after}
    found = [Pair(old[name], thing) for name, thing in new.items() if name in old]
    removed = [thing for name, thing in old.items() if name not in new]
    for thing in [thing for name, thing in new.items() if name not in old]:
        same = [one for one in removed if one.kind == thing.kind]
        alone = len(same) == 1 and sum(one.kind == thing.kind for one in new.values() if str(one) not in old) == 1
        found.append(Pair(same[0] if alone else Thing(thing.kind, thing.name, ABSENT), thing))
        removed = [one for one in removed if not (alone and one is same[0])]
    return found + [Pair(thing, Thing(thing.kind, thing.name, ABSENT)) for thing in removed]
