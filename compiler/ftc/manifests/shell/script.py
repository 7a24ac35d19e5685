"""The parts of a shell script that rules need: commands, variables and redirections, in the order of the text."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tree_sitter import Node


class Expansion(msgspec.Struct, frozen=True):
    """`$NAME` or `${NAME…}`; `operator` and `default` are those of `${NAME:-default}`."""

    name: str
    operator: str = ""
    default: str | None = None


# The limit for an expanded word: thirty variables that double would fill the memory, and rules do not need longer
# words. These are unknown.
LONGEST = 4_096


# A part of a word: literal text, a variable, or something known only at run time.
Part: TypeAlias = str | Expansion | None


class Word(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A word of a command, with its start offset."""

    parts: tuple[Part, ...]
    raw: str
    start: int

    @cached_property
    def text(self) -> str | None:
        """The word, if it contains no variables."""
        return self.with_values({})

    def with_values(self, values: Mapping[str, str]) -> str | None:
        """The word with these variables; None if a part is unknown."""
        return self.joined([value_of(part, values) for part in self.parts])

    def joined(self, pieces: Sequence[str | None]) -> str | None:
        """The joined parts; None if one is unknown, or if variables make the word too long."""
        known = [piece for piece in pieces if piece is not None]
        if len(known) < len(pieces):
            return None
        text = known[0] if len(known) == 1 else "".join(known)
        return text if len(text) <= len(self.raw) + LONGEST else None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in the word."""
        return tuple(part.name for part in self.parts if isinstance(part, Expansion))

    @property
    def literal(self) -> str:
        """The literal text in the word, without variables."""
        return "".join(part for part in self.parts if isinstance(part, str))


def value_of(part: Part, values: Mapping[str, str]) -> str | None:
    """A part of a word with these variables; None if it is unknown."""
    if not isinstance(part, Expansion):
        return part
    if part.name in values:
        return values[part.name] if part.operator in ("", ":-", "-", ":=", "=", ":?", "?") else None
    return None


class Context(msgspec.Struct, frozen=True):
    """The context of a command.

    `branch` lists the conditional blocks around it, with negative numbers for the right side of `&&`; `guards` are the
    identifiers in their conditions. `handled` says that its failure is handled, `pipe` that its output goes to another
    command.
    """

    branch: tuple[int, ...] = ()
    guards: frozenset[str] = frozenset()
    loop: bool = False
    handled: bool = False
    pipe: bool = False
    substituted: bool = False
    subshell: bool = False
    function: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is at the top level of the script, which runs from top to bottom."""
        apart = self.subshell or self.substituted or self.loop or self.function
        return not apart and all(block < 0 for block in self.branch)

    def always_runs_before(self, other: Context) -> bool:
        """Whether an earlier command here has always run when `other` runs."""
        inside = self.branch == other.branch[: len(self.branch)]
        return inside and not self.subshell and not self.substituted and self.function in ("", other.function)


class Assignment(msgspec.Struct, frozen=True):
    """`NAME=value`, alone or after export."""

    name: str
    value: Word | None
    start: int
    context: Context
    exported: bool = False


class Read(msgspec.Struct, frozen=True):
    """A variable that is read; `compared` says that `[` compares it as a number and rejects an empty value."""

    expansion: Expansion
    start: int
    context: Context
    tested: bool = False
    compared: bool = False

    @property
    def name(self) -> str:
        """The variable."""
        return self.expansion.name

    @property
    def tolerant(self) -> bool:
        """Whether the script handles a missing value."""
        return self.tested or self.expansion.operator in (":-", "-", ":=", "=", ":+", "+")


# An operator and a file.
Redirect: TypeAlias = tuple[str, Word]


class Heredoc(msgspec.Struct, frozen=True):
    """The lines after `<<EOF`; `plain` says that the shell does not expand them."""

    value: str
    start: int
    plain: bool


class Command(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A simple command with the variables set before it and its redirections."""

    words: tuple[Word, ...]
    start: int
    context: Context
    settings: tuple[Assignment, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    heredoc: Heredoc | None = None

    @cached_property
    def name(self) -> str:
        """The program without its directory; empty if a variable names it."""
        return ((self.words and self.words[0].text) or "").rpartition("/")[2]

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the program."""
        return self.words[1:]

    @property
    def raw(self) -> str:
        """The raw words, joined by blanks."""
        return " ".join(word.raw for word in self.words)


class Script(msgspec.Struct, frozen=True):
    """A script; `exported` are the variables that its commands see, `mistake` is the first syntax error."""

    value: str
    commands: tuple[Command, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    reads: tuple[Read, ...] = ()
    functions: frozenset[str] = frozenset()
    exported: frozenset[str] = frozenset()
    mistake: int | None = None

    @property
    def stray_options(self) -> list[tuple[int, str]]:
        """The offsets and names of options that are run as commands, because the line before them has ended."""
        own = [one for command in self.commands for one in command.settings]
        named = [(one.start, one.name) for one in (*self.assignments, *own)]
        named += [(command.start, command.name) for command in self.commands]
        return sorted((start, name) for start, name in named if re.fullmatch(r"--?[A-Za-z][\w-]*", name))

    def exports(self, name: str) -> bool:
        """Whether a command sees a variable that the script sets."""
        every = any(
            command.name == "set" and re.search(r"\s-\w*a|allexport", f" {command.raw}") for command in self.commands
        )
        return every or name in self.exported

    def named(self, *names: str) -> Iterator[Command]:
        """The commands that run one of these programs."""
        return (command for command in self.commands if command.name in names)


# Real scripts are not nested deeper.
MAX_DEPTH = 100


NAME = re.compile(r"[A-Za-z_]\w*")


class TooDeepError(Exception):
    """A script that is nested too deeply."""


def text_of(node: Node | None, text: str) -> str:
    """The text of a node."""
    return text[node.start_byte : node.end_byte] if node is not None else ""


def word_of(node: Node, text: str) -> Word:
    """A node as a word of a command."""
    return Word(tuple(_parts(node, text, 0)), text_of(node, text), node.start_byte)


def parameter(node: Node, text: str) -> Expansion | None:
    """`$NAME` or `${NAME…}`; None for `$1` and the like."""
    name, operator, rest = None, "", []
    for child in node.children:
        if child.type in ("variable_name", "subscript"):
            name = name or NAME.match(text_of(child, text))
        elif child.is_named:
            rest.append(text_of(child, text))
        elif child.type not in ("$", "${", "}"):
            operator = operator or child.type
    return Expansion(name[0], operator, "".join(rest) if operator else None) if name else None


def _parts(node: Node, text: str, depth: int) -> Iterator[Part]:
    own = text_of(node, text)
    match node.type:
        case _ if depth > MAX_DEPTH:
            raise TooDeepError
        case "word" | "number" | "string_content" | "variable_name" | "extglob_pattern" | "regex":
            yield re.sub(r"\\(.)", r"\1", own, flags=re.DOTALL) if node.type == "word" else own
        case "raw_string":
            yield own[1:-1]
        case "command_name" | "string" | "concatenation":
            yield from _pieces(node, text, depth)
        case "simple_expansion" | "expansion":
            yield parameter(node, text)
        case _:
            yield None


def _pieces(node: Node, text: str, depth: int) -> Iterator[Part]:
    """The parts of the children; in a string also the blanks between them, which are not in a child."""
    end = node.start_byte + (node.type == "string")
    for child in node.named_children:
        if child.start_byte > end:
            yield text[end : child.start_byte]
        yield from _parts(child, text, depth + 1)
        end = child.end_byte


def in_test(above: list[Node], text: str) -> bool:
    """Whether a variable is only tested for being set: `[ -n "$A" ]`, `[ "$A" = "" ]`, `[ "$A" ]`."""
    inner, parent = above[-1], above[-2]
    if parent.type == "string":
        inner, parent = parent, above[-3]
    if parent.type not in ("test_command", "unary_expression", "binary_expression"):
        return False
    if parent.type == "test_command":
        return True
    operator = parent.child_by_field_name("operator")
    said = text_of(operator, text)
    if parent.type == "unary_expression":
        return said in ("-n", "-z")
    others = [text_of(child, text) for child in parent.named_children if child not in (inner, operator)]
    return said in ("=", "==", "!=") and others in (['""'], ["''"])


_NUMERIC = ("-eq", "-ne", "-gt", "-ge", "-lt", "-le")


def is_compared(above: list[Node], text: str) -> bool:
    """Whether it is compared as a number, `[ "$A" -gt 1 ]`; in `[[ … ]]` an empty value is 0."""
    outer = [node for node in above[-4:-1] if node.type in ("binary_expression", "test_command")]
    if [node.type for node in outer] != ["test_command", "binary_expression"]:
        return False
    operator = text_of(outer[1].child_by_field_name("operator"), text)
    return operator in _NUMERIC and not text.startswith("[[", outer[0].start_byte)


def redirects(node: Node, text: str) -> tuple[tuple[Redirect, ...], Heredoc | None]:
    """The redirections of a command, and its here-document."""
    found: list[Redirect] = []
    heredoc = None
    waiting = list(node.children_by_field_name("redirect"))
    while waiting:
        redirect = waiting.pop(0)
        if redirect.type == "heredoc_redirect":
            heredoc = _heredoc(redirect, text)
            waiting += redirect.children_by_field_name("redirect")
            waiting += [c for c in redirect.named_children if c.type == "pipeline"]
        elif redirect.type == "file_redirect":
            target = redirect.child_by_field_name("destination")
            operator = next((c.type for c in redirect.children if c.type.startswith((">", "<", "&"))), "")
            if target is not None:
                found.append((operator, word_of(target, text)))
        elif redirect.type == "pipeline":
            found += _teed(redirect, text)
    return tuple(found), heredoc


def _teed(pipeline: Node, text: str) -> Iterator[Redirect]:
    """`cat <<EOF | tee FILE` writes FILE."""
    for command in pipeline.named_children:
        words = [word_of(child, text) for child in command.named_children]
        if words and words[0].text == "tee":
            yield from ((">", word) for word in words[1:] if not word.raw.startswith("-"))


def _heredoc(node: Node, text: str) -> Heredoc | None:
    found = {child.type: child for child in node.named_children}
    start, body = found.get("heredoc_start"), found.get("heredoc_body")
    if start is None or body is None:
        return None
    value = text[body.start_byte : body.end_byte]
    return Heredoc(value, body.start_byte, any(mark in text_of(start, text) for mark in "'\"\\"))
