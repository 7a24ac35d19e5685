"""What a shell script says, as far as rules ask: commands, variables, files written, in the order of the text."""

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


# What variables may add to a word. One that is longer is unknown: no rule asks for it, and thirty variables that double
# would fill the memory.
LONGEST = 4_096


# A piece of a word: letters, a variable, or what only a run can tell.
Part: TypeAlias = str | Expansion | None


class Word(msgspec.Struct, frozen=True, dict=True, eq=False):
    """One word of a command, and where it begins."""

    parts: tuple[Part, ...]
    raw: str
    start: int

    @cached_property
    def text(self) -> str | None:
        """What the word is, where no variable takes part."""
        return self.with_values({})

    def with_values(self, values: Mapping[str, str]) -> str | None:
        """What the word is with these variables; None if something is not known."""
        return self.joined([_value(part, values) for part in self.parts])

    def joined(self, pieces: Sequence[str | None]) -> str | None:
        """What stands for the parts together; None if one is unknown, or if variables make the word too long."""
        known = [piece for piece in pieces if piece is not None]
        if len(known) < len(pieces) or sum(map(len, known)) > len(self.raw) + LONGEST:
            return None
        return "".join(known)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in it."""
        return tuple(part.name for part in self.parts if isinstance(part, Expansion))

    @property
    def literal(self) -> str:
        """The letters in it, without what variables add."""
        return "".join(part for part in self.parts if isinstance(part, str))


def _value(part: Part, values: Mapping[str, str]) -> str | None:
    if not isinstance(part, Expansion):
        return part
    if part.name in values:
        return values[part.name] if part.operator in ("", ":-", "-", ":=", "=", ":?", "?") else None
    return None


class Context(msgspec.Struct, frozen=True):
    """Where a command stands.

    `branch` names the conditional blocks around it, a negative one being the right side of `&&`; `guards` are the
    identifiers in their conditions. `handled` says that its failure is looked at, `pipe` that its output goes into
    another command.
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
        """Whether it stands in the script's own line of commands, which runs from top to bottom."""
        apart = self.subshell or self.substituted or self.loop or self.function
        return not apart and all(block < 0 for block in self.branch)

    def surely_before(self, other: Context) -> bool:
        """Whether what stands here has run wherever `other` runs, if it stands earlier."""
        inside = self.branch == other.branch[: len(self.branch)]
        return inside and not self.subshell and not self.substituted and self.function in ("", other.function)


class Assignment(msgspec.Struct, frozen=True):
    """`NAME=value`, on its own or after export."""

    name: str
    value: Word | None
    start: int
    context: Context
    exported: bool = False


class Read(msgspec.Struct, frozen=True):
    """A variable that is read; `compared` as a number, by `[`, which takes nothing for no number."""

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
        """Whether the script says what happens without it."""
        return self.tested or self.expansion.operator in (":-", "-", ":=", "=", ":+", "+")


# An operator and a file.
Redirect: TypeAlias = tuple[str, Word]


class Heredoc(msgspec.Struct, frozen=True):
    """The lines after `<<EOF`; `plain` says that nothing in them is expanded."""

    value: str
    start: int
    plain: bool


class Command(msgspec.Struct, frozen=True, dict=True, eq=False):
    """One simple command with the variables set before it and where its output goes."""

    words: tuple[Word, ...]
    start: int
    context: Context
    settings: tuple[Assignment, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    heredoc: Heredoc | None = None

    @cached_property
    def name(self) -> str:
        """The program, without its directory; empty where a variable names it."""
        return ((self.words and self.words[0].text) or "").rpartition("/")[2]

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the program."""
        return self.words[1:]

    @property
    def raw(self) -> str:
        """The words as they stand, with one blank between."""
        return " ".join(word.raw for word in self.words)


class Script(msgspec.Struct, frozen=True):
    """A whole script; `exported` are the variables that its commands see, `mistake` is where a shell stops reading."""

    value: str
    commands: tuple[Command, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    reads: tuple[Read, ...] = ()
    functions: frozenset[str] = frozenset()
    exported: frozenset[str] = frozenset()
    mistake: int | None = None

    @property
    def strays(self) -> list[tuple[int, str]]:
        """The options that stand as commands, because the line before has ended: their places and names."""
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
