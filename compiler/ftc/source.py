"""YAML read once: the data as OmegaConf or Kubernetes would read it, and the position of every key."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, KeyPath, Position, Related

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A file larger or deeper than this is no configuration; the limits keep aliases ("YAML bombs") and nesting harmless.
MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64
# A stream of manifests may be longer than a configuration; each of its documents may not be larger than one.
MAX_STREAM_BYTES = 20_000_000
MAX_STREAM_NODES = 200_000
MAX_DOCUMENTS = 20_000
MAX_PROBLEMS = 100
# No number is longer; one of base 60 (`1:1:1:…`) takes quadratic time.
MAX_NUMBER = 100


class _Loader(yaml.CSafeLoader):
    """libyaml's parser with OmegaConf's idea of a plain scalar: `1e-4` is a float, a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way of saying it
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    if len(node.value) > MAX_NUMBER:
        raise ValueError(node.value)
    made: int | float = (loader.construct_yaml_int if node.tag.endswith("int") else loader.construct_yaml_float)(node)
    return made


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)


class _KubernetesLoader(_Loader):
    """The same with go-yaml's idea of a plain scalar: `y` is true, and there are no numbers of base 60."""

    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's own way

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        if kind is yaml.ScalarNode and value and implicit[0]:
            if value in ("y", "Y", "n", "N"):
                return "tag:yaml.org,2002:bool"
            if ":" in value or len(value) > MAX_NUMBER:
                return "tag:yaml.org,2002:str"
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # untyped there
        return tag


class Document(msgspec.Struct, frozen=True):
    """One YAML file: its data, and its nodes, which know their positions."""

    source: str
    text: str
    data: Any
    root: yaml.Node | None

    def position(self, path: KeyPath) -> Position:
        """The position of the key at `path`, or of the nearest parent that the file has."""
        mark = self.root.start_mark if self.root else None
        for key, value in self._steps(path):
            mark = (key or value).start_mark
        return _position(mark, self.source)

    def depth(self, path: KeyPath) -> int:
        """How many steps of `path` the file has."""
        return sum(1 for _ in self._steps(path))

    def _steps(self, path: KeyPath) -> Iterator[tuple[yaml.Node | None, yaml.Node]]:
        node = self.root
        for part in path:
            found = _child(node, part)
            if found is None:
                return
            yield found
            node = found[1]


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None


def read(file: Path, source: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read one file; malformed YAML, duplicate keys and the like come back as diagnostics.

    `source` names the file in messages.
    """
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        return None, (_error(f"cannot be read: {error.strerror}", Position(source, 1, 1)),)
    except UnicodeDecodeError as error:
        return None, (_error(f"is not UTF-8: {error.reason}", Position(source, 1, 1), "save the file as UTF-8"),)
    if len(raw) > MAX_BYTES:
        return None, (_error(f"is larger than {MAX_BYTES} bytes", Position(source, 1, 1)),)
    return parse(text, source)


def parse(text: str, source: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read a text as `read` does a file: one document, with a mapping at its root."""
    if (beyond := _beyond_limits(text, source)) or len(text) > MAX_BYTES:
        return None, (beyond or _error(f"is larger than {MAX_BYTES} bytes", Position(source, 1, 1)),)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        root = None if root and root.tag == _NULL else root
        problems = tuple(_problems(root, source)) if root else ()
        if problems:
            return None, problems
        data = loader.construct_document(root) if root else {}
    except _NOT_YAML as error:
        return None, (_not_yaml(error, text, source),)
    finally:
        loader.dispose()
    return Document(source, text, data, root), ()


def documents(raw: bytes, source: str) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """Read a stream of manifests as Kubernetes would; what is malformed ends it and comes back as a diagnostic.

    A key that is there twice is reported, and the last one counts, as it does for a client that does not look.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        where = _position_of(before, len(before), source)
        return (), (_error(f"is not UTF-8: {error.reason}", where, "save the file as UTF-8"),)
    if len(raw) > MAX_STREAM_BYTES:
        return (), (_error(f"is larger than {MAX_STREAM_BYTES} bytes", Position(source, 1, 1)),)
    if beyond := _beyond_limits(text, source):
        return (), (beyond,)
    found: list[Document] = []
    problems: list[Diagnostic] = []
    loader = _KubernetesLoader(text)
    try:
        while loader.check_node() and (root := loader.get_node()) is not None:
            new = tuple(islice(_node_problems(root, source), MAX_PROBLEMS))
            problems += new
            if not any(p.message.startswith(_BEYOND) for p in new) and root.tag != _NULL:
                found.append(Document(source, text, loader.construct_document(root), root))
    except _NOT_YAML as error:
        problems.append(_not_yaml(error, text, source))
    finally:
        loader.dispose()
    return tuple(found), tuple(problems)


_NULL = "tag:yaml.org,2002:null"
# What PyYAML raises on a text that is no YAML, and on a value that its explicit tag does not fit (`!!bool maybe`).
_NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)


def _not_yaml(error: Exception, text: str, source: str) -> Diagnostic:
    if isinstance(error, yaml.MarkedYAMLError):
        return _yaml_error(error, source)
    if isinstance(error, yaml.reader.ReaderError):
        return _error(f"is not YAML: {error.reason}", _position_of(text, error.position, source))
    said = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError) else "a value does not fit its tag"
    return _error(f"is not YAML: {said}", Position(source, 1, 1))


_BEYOND = "is too large or too deep"


def _beyond_limits(text: str, source: str) -> Diagnostic | None:
    """Nesting that libyaml's composer, which recurses in C, would crash on; its parser's events come without.

    Also more nodes than memory should hold, which the events are counted for.
    """
    openings = sum(text.count(opening) for opening in ("[", "{", "- ", "? "))
    nodes = openings + 2 * (text.count(":") + text.count(",") + text.count("\n"))
    if text.count("\n---") > MAX_DOCUMENTS:
        return _error(f"has more than {MAX_DOCUMENTS} documents", Position(source, 1, 1))
    if openings <= MAX_DEPTH and nodes <= MAX_STREAM_NODES:
        return None
    depth = 0
    try:
        for seen, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or seen > 2 * MAX_STREAM_NODES:
                return _error(f"{_BEYOND} to be read", _position(event.start_mark, source))
    except yaml.YAMLError:
        return None  # the loader says it with its position
    return None


def _position(mark: Any, source: str) -> Position:
    return Position(source, mark.line + 1, mark.column + 1) if mark else Position(source, 1, 1)


def _position_of(text: str, index: int, source: str) -> Position:
    before = text[:index]
    return Position(source, before.count("\n") + 1, index - before.rfind("\n"))


def _problems(root: yaml.Node, source: str) -> Iterator[Diagnostic]:
    """Whatever YAML allows and a configuration must not have."""
    if not isinstance(root, yaml.MappingNode):
        yield _error("must be a mapping", Position(source, 1, 1), "write `key: value` lines")
        return
    yield from _node_problems(root, source)


def _node_problems(root: yaml.Node, source: str) -> Iterator[Diagnostic]:
    stack = [(root, 1)]
    seen = 0
    while stack:
        node, depth = stack.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            yield _error(f"{_BEYOND} to be read", _at(node, source), "look for aliases (*name)")
            return
        if isinstance(node, yaml.MappingNode):
            yield from _key_problems(node, source)
            stack += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += [(child, depth + 1) for child in node.value]


def _key_problems(node: yaml.MappingNode, source: str) -> Iterator[Diagnostic]:
    first: dict[str, Position] = {}
    for key, _ in node.value:
        here = _at(key, source)
        if not isinstance(key, yaml.ScalarNode):
            yield _error("a key must be a plain text", here)
        elif key.value in first:
            twice = _error(f"the key '{key.value}' is there already", here, "delete one of the two")
            yield msgspec.structs.replace(twice, related=(Related((key.value,), first[key.value]),))
        elif key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            yield _error(f"the key {key.value} is not a text", here, f"quote it: '{key.value}'")
        else:
            first[key.value] = here


def _at(node: yaml.Node, source: str) -> Position:
    return _position(node.start_mark, source)


def _yaml_error(error: yaml.MarkedYAMLError, source: str) -> Diagnostic:
    where = _position(error.problem_mark or error.context_mark, source)
    began = f", {error.context} that begins at {_position(error.context_mark, source)}" if error.context_mark else ""
    tab = "a tab cannot indent: use spaces" if "cannot start any token" in str(error.problem) else ""
    return _error(f"is not YAML: {error.problem or error.context}{began}", where, tab)


def _error(message: str, position: Position, help_: str = "") -> Diagnostic:
    return Diagnostic(code=UNREADABLE, message=message, position=position, help=help_)
