"""Read documents from a file, a text or a stream; problems are returned as diagnostics."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import yaml

from ftc.diagnostics.model import Position
from ftc.source.document import Document
from ftc.source.finding import position_in, problem
from ftc.source.limits import MAX_BYTES, MAX_STREAM_BYTES, MAX_STREAM_NODES, beyond_limits, inside
from ftc.source.loaders import ConfigurationLoader, KubernetesLoader
from ftc.source.problems import NOT_YAML, key_problems, not_yaml, number_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

# More findings in one document would not help anyone.
MAX_PROBLEMS = 100
NULL = "tag:yaml.org,2002:null"


def read(file: Path, source: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read one file; malformed YAML, duplicate keys and similar problems are returned as diagnostics.

    `source` names the file in messages.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            return None, (problem(f"is larger than {MAX_BYTES} bytes", Position(source, 1, 1)),)
        text = raw.decode("utf-8")
    except OSError as error:
        return None, (problem(f"cannot be read: {error.strerror}", Position(source, 1, 1)),)
    except UnicodeDecodeError as error:
        return None, (problem(f"is not UTF-8: {error.reason}", Position(source, 1, 1), "save the file as UTF-8"),)
    return parse(text, source)


def parse(text: str, source: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read a text like a file: one document with a mapping at its root."""
    if (beyond := beyond_limits(text, source)) or len(text) > MAX_BYTES:
        return None, (beyond or problem(f"is larger than {MAX_BYTES} bytes", Position(source, 1, 1)),)
    loader = ConfigurationLoader(text)
    try:
        root = loader.get_single_node()
        root = None if root and root.tag == NULL else root
        problems = _problems(root, source) if root else ()
        if problems:
            return None, problems
        data = loader.construct_document(root) if root else {}
    except NOT_YAML as error:
        return None, (not_yaml(error, text, source),)
    finally:
        loader.dispose()
    return Document(source, text, data, root), ()


def documents(raw: bytes, source: str) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """Read a stream of manifests as Kubernetes would, up to the first malformed document.

    A duplicate key is reported and its last value counts, as in clients that do not check for duplicates.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        where = position_in(before, len(before), source)
        return (), (problem(f"is not UTF-8: {error.reason}", where, "save the file as UTF-8"),)
    if len(raw) > MAX_STREAM_BYTES:
        return (), (problem(f"is larger than {MAX_STREAM_BYTES} bytes", Position(source, 1, 1)),)
    if beyond := beyond_limits(text, source):
        return (), (beyond,)
    return _stream(text, source)


def _stream(text: str, source: str) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    found: list[Document] = []
    problems: list[Diagnostic] = []
    loader = KubernetesLoader(text)
    left, letters = 2 * MAX_STREAM_NODES, MAX_STREAM_BYTES
    try:
        while loader.check_node() and (root := loader.get_node()) is not None:
            document = inside(root, source, left, letters)
            left, letters = left - document.nodes, letters - document.letters
            problems += [document.beyond] if document.beyond else ()
            problems += islice(_of_keys(document.mappings, source), MAX_PROBLEMS)
            if left < 0 or letters < 0:
                break
            if document.beyond is None and root.tag != NULL:
                found.append(Document(source, text, loader.construct_document(root), root))
    except NOT_YAML as error:
        problems.append(not_yaml(error, text, source))
    finally:
        loader.dispose()
    return tuple(found), tuple(problems)


def _problems(root: yaml.Node, source: str) -> tuple[Diagnostic, ...]:
    """Constructs that YAML allows and a configuration must not contain."""
    if not isinstance(root, yaml.MappingNode):
        return (problem("must be a mapping", Position(source, 1, 1), "write `key: value` lines"),)
    found = inside(root, source)
    if found.beyond:
        return (*_of_keys(found.mappings, source), found.beyond)
    numbers = {id(node): number_problem(node, source) for node in _scalars(root)}
    return (*_of_keys(found.mappings, source), *(number for number in numbers.values() if number))


def _scalars(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """The scalar values of a document, repeated for each alias."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.MappingNode):
            stack += [value for _, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            stack += reversed(node.value)


def _of_keys(nodes: Iterable[yaml.MappingNode], source: str) -> Iterator[Diagnostic]:
    return (found for node in nodes for found in key_problems(node, source))
