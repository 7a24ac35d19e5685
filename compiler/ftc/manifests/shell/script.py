"""The parts of a shell script that rules need: commands, variables and redirections, in the order of the text."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


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
        return self.joined([_value(part, values) for part in self.parts])

    def joined(self, pieces: Sequence[str | None]) -> str | None:
        """The joined parts; None if one is unknown, or if variables make the word too long."""
        known = [piece for piece in pieces if piece is not None]
        if len(known) < len(pieces) or sum(map(len, known)) > len(self.raw) + LONGEST:
            return None
        return "".join(known)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in the word."""
        return tuple(part.name for part in self.parts if isinstance(part, Expansion))

    @property
    def literal(self) -> str:
        """The literal text in the word, without variables."""
        return "".join(part for part in self.parts if isinstance(part, str))


def _value(part: Part, values: Mapping[str, str]) -> str | None:
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
