"""The objects of compiled files, identified as Kubernetes identifies them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ftc.driver import SPEC
from ftc.plan.pod import CARRIED
from ftc.source import documents, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    found = [thing for name, text in files.items() if name != SPEC for thing in _things(name, text, read)]
    found = [thing for thing in found if not _only_names(thing.content, files)]
    carried = {text for thing in found if thing.is_object for text in _carried(thing.content)}
    return [thing for thing in found if thing.is_object or files[thing.kind] not in carried]


def _only_names(content: Any, files: Mapping[str, str]) -> bool:
    """Whether a document is a kustomization that only lists some of the files."""
    if not isinstance(content, dict) or content.get("kind") != "Kustomization" or content.keys() - _NAMING:
        return False
    named = content.get("resources")
    return isinstance(named, list) and all(isinstance(name, str) and name in files for name in named)


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
