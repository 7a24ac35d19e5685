"""Read YAML documents from a file, a text or a stream: the data, and the position of every key.

Problems are returned as diagnostics. A text has a limited size and depth, so that it is safe to compose. The
loaders are libyaml's with the scalar types of OmegaConf and of Kubernetes.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import yaml

from ftc.diagnostics.codes import UNREADABLE
from ftc.diagnostics.model import Diagnostic, Position, Related, lines_of
from ftc.source.plain import NOT_YAML, Limits, plain_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ftc.diagnostics.model import KeyPath


def problem(message: str, position: Position, help_: str = "") -> Diagnostic:
    """A finding in a text that cannot be parsed."""
    return Diagnostic(code=UNREADABLE, message=message, position=position, help=help_)


def position_of(mark: Any, source: str) -> Position:
    """The position of a node's mark; without a mark, the start of the file."""
    return Position(source, mark.line + 1, mark.column + 1) if mark else Position(source, 1, 1)


def position_in(text: str, index: int, source: str) -> Position:
    """The position of a character."""
    lines = lines_of(text[:index]) or [""]
    return Position(source, len(lines), len(lines[-1]) + 1)


class Document(msgspec.Struct, frozen=True):
    """One YAML file: its data, and its nodes with their positions."""

    source: str
    text: str
    data: Any
    root: yaml.Node | None

    def position(self, path: KeyPath) -> Position:
        """The position of the key at `path`, or of its nearest parent in the file."""
        mark = self.root.start_mark if self.root else None
        for key, value in self._steps(path):
            mark = (key or value).start_mark
        return position_of(mark, self.source)

    def depth(self, path: KeyPath) -> int:
        """How many keys of `path` the file contains."""
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


# No real number is longer; parsing base 60 (`1:1:1:…`) takes quadratic time.
MAX_NUMBER = 100


class ConfigurationLoader(yaml.CSafeLoader):
    """libyaml's parser with OmegaConf's types of plain scalars: `1e-4` is a float, a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's class attribute
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


ConfigurationLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _number(loader: ConfigurationLoader, node: yaml.ScalarNode) -> int | float:
    if len(node.value) > MAX_NUMBER:
        raise ValueError(node.value)
    made: int | float = (loader.construct_yaml_int if node.tag.endswith("int") else loader.construct_yaml_float)(node)
    return made


for _tag in ("int", "float"):
    ConfigurationLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)


class KubernetesLoader(ConfigurationLoader):
    """The same with go-yaml's types of plain scalars: `y` is true, and base 60 does not exist."""

    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's class attribute

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """The tag of a node; `implicit` says whether the node is unquoted."""
        if kind is yaml.ScalarNode and value and implicit[0]:
            if value in ("y", "Y", "n", "N"):
                return "tag:yaml.org,2002:bool"
            if ":" in value or len(value) > MAX_NUMBER:
                return "tag:yaml.org,2002:str"
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # untyped there
        return tag


# No configuration is larger or deeper; the limits make aliases ("YAML bombs") and nesting harmless.
MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64
# A stream of manifests may be longer than a configuration, but each of its documents may not.
MAX_STREAM_BYTES = 20_000_000
MAX_STREAM_NODES = 200_000
MAX_DOCUMENTS = 20_000
_BEYOND = "is too large or too deeply nested"


def beyond_limits(text: str, source: str) -> Diagnostic | None:
    """Check depth and node count on the parser's events, because libyaml's composer recurses in C and can crash."""
    openings = sum(text.count(opening) for opening in ("[", "{", "- ", "? "))
    nodes = openings + 2 * (text.count(":") + text.count(",") + text.count("\n"))
    if text.count("\n---") > MAX_DOCUMENTS:
        return problem(f"has more than {MAX_DOCUMENTS} documents", Position(source, 1, 1))
    if openings <= MAX_DEPTH and nodes <= MAX_STREAM_NODES:
        return None
    depth = 0
    try:
        for seen, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or seen > 2 * MAX_STREAM_NODES:
                return problem(_BEYOND, position_of(event.start_mark, source))
    except yaml.YAMLError:
        return None  # the loader reports it with its position
    return None


class Inside(NamedTuple):
    """The mappings of a document, its size including what aliases repeat, and any excess."""

    mappings: list[yaml.MappingNode]
    nodes: int
    letters: int
    beyond: Diagnostic | None = None


def inside(root: yaml.Node, source: str, most: int = MAX_NODES, letters: int = MAX_BYTES) -> Inside:
    """Walk a document up to the limits; `most` and `letters` are what earlier documents of a stream leave."""
    found: list[yaml.MappingNode] = []
    stack = [(root, 1)]
    seen = length = 0
    while stack:
        node, depth = stack.pop()
        seen += 1
        length += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if seen > min(most, MAX_NODES) or length > letters or depth > MAX_DEPTH:
            beyond = problem(_BEYOND, position_of(node.start_mark, source), "check its aliases (*name)")
            return Inside(found, seen, length, beyond)
        if isinstance(node, yaml.MappingNode):
            found.append(node)
            stack += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += [(child, depth + 1) for child in node.value]
    return Inside(found, seen, length)


_CONFLICT = re.compile(r"^<{7}(?=[ \r\n])", re.MULTILINE)


def not_yaml(error: Exception, text: str, source: str) -> Diagnostic:
    """PyYAML's message, at its position; or the first merge conflict, which is then the cause."""
    if conflict := _CONFLICT.search(text):
        place = Position(source, text.count("\n", 0, conflict.start()) + 1, 1)
        return problem("is not YAML: merge conflict markers", place, "resolve the conflict")
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked(error, text, source)
    if isinstance(error, yaml.reader.ReaderError):
        return problem(f"is not YAML: {error.reason}", position_in(text, error.position, source))
    said = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError) else "a value does not match its tag"
    return problem(f"is not YAML: {said}", Position(source, 1, 1))


def _marked(error: yaml.MarkedYAMLError, text: str, source: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    where, began = position_of(mark, source), position_of(error.context_mark, source)
    said, context = str(error.problem or ""), str(error.context or "")
    for words, of_context, message, help_ in _IN_OUR_WORDS:
        if words in said and of_context in context:
            return problem(f"is not YAML: {message.format(began=began)}", where, help_)
    if "cannot start any token" in said and mark is not None:
        sign = lines_of(text)[mark.line][mark.column : mark.column + 1]
        tab = sign in ("\t", "")
        message = "a tab is used for indentation" if tab else f"a value cannot begin with {sign}"
        return problem(f"is not YAML: {message}", where, "indent with spaces" if tab else "put the value in quotes")
    after = f", {context} that begins at {began}" if error.context_mark else ""
    return problem(f"is not YAML: {said or context}{after}", where)


_CLOSE, _ALIGN = "close it", "indent its entries alike"
# What libyaml says, in which context, and the same for a reader who does not know YAML's grammar.
_IN_OUR_WORDS = (
    ("did not find expected ',' or ']'", "", "the list that begins at {began} lacks a closing ] here", _CLOSE),
    ("did not find expected ',' or '}'", "", "the mapping that begins at {began} lacks a closing }} here", _CLOSE),
    ("did not find expected '-'", "", "is not an item of the list that begins at {began}", _ALIGN),
    ("did not find expected key", "", "is not a key of the mapping that begins at {began}", _ALIGN),
    ("unexpected end of stream", "quoted scalar", "the quote that begins at {began} is not closed", _CLOSE),
    ("could not find expected ':'", "", "the key that begins at {began} lacks a ':'", "write `key: value`"),
    ("mapping values are not allowed", "", "a second ': ' in one value", "put the value in quotes"),
    ("found another document", "", "a second document begins here", "use one file for each document"),
    ("undefined alias", "", "an alias (*) without its anchor (&)", "put the value in quotes if it is text"),
    ("determine a constructor for the tag", "", "a tag (!) that ftc does not read", "remove it"),
)


def key_problems(node: yaml.MappingNode, source: str) -> Iterator[Diagnostic]:
    """Keys that YAML allows and ftc rejects."""
    first: dict[str, Position] = {}
    for key, _ in node.value:
        here = position_of(key.start_mark, source)
        if not isinstance(key, yaml.ScalarNode):
            yield problem("a key must be a plain scalar", here)
        elif key.value in first:
            twice = problem(f"duplicate key '{key.value}'", here, "delete one of the two")
            yield msgspec.structs.replace(twice, related=(Related((key.value,), first[key.value]),))
        elif key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            yield problem(f"the key {key.value} is not a string", here, f"quote it: '{key.value}'")
        else:
            first[key.value] = here


# The core schema of YAML 1.2; every reader and the command line agree on its decimal numbers.
_PLAIN = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
# YAML 1.1 reads a string here, YAML 1.2 a number.
_OCTAL = re.compile(r"0o[0-7]+")


def number_problem(node: yaml.ScalarNode, source: str) -> Diagnostic | None:
    """A number that YAML 1.1, YAML 1.2 and people read differently: `017`, `1:30`, `0x10`, `1_000`."""
    if node.style or len(node.value) > MAX_NUMBER:
        return None
    octal = _OCTAL.fullmatch(node.value) is not None
    odd = node.tag in _NUMBERS and not _PLAIN.fullmatch(node.value) and not _NOT_FINITE.fullmatch(node.value)
    if not odd and not octal:
        return None
    here = position_of(node.start_mark, source)
    read = int(node.value, 0) if octal else yaml.load(node.value, ConfigurationLoader)  # noqa: S506 - a safe loader
    reader = "1.2" if octal else "1.1"
    help_ = f"write {read}, or '{node.value}' in quotes for a string"
    return problem(f"{node.value} is {read} in YAML {reader}, which may not be intended", here, help_)


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


_PLAIN_STREAM = Limits(MAX_NODES, MAX_DEPTH)
_PLAIN_FILE = Limits(MAX_NODES, MAX_DEPTH, lambda node: number_problem(node, "") is not None)


def parse(text: str, source: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read a text like a file: one document with a mapping at its root."""
    plain = plain_documents(text, ConfigurationLoader, _PLAIN_FILE) if len(text) <= MAX_BYTES else None
    if plain is not None and len(plain) == 1 and isinstance(plain[0][0], dict):
        return Document(source, text, *plain[0]), ()
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
    few = len(raw) <= MAX_BYTES and text.count("\n---") <= MAX_DOCUMENTS
    plain = plain_documents(text, KubernetesLoader, _PLAIN_STREAM) if few else None
    if plain is not None:
        return tuple(Document(source, text, data, root) for data, root in plain if root.tag != NULL), ()
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
