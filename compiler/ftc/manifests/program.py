"""The program of a container: a plain command, or a shell script, inline or from a file in the input."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from ftc.accelerators import environment_scripts
from ftc.manifests.shell.parse import parse
from ftc.manifests.shell.script import Command, Context, Expansion, Part, Read, Script, Word
from ftc.manifests.text import Spot, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftc.manifests.manifest import Container

_SHELLS = ("bash", "sh", "dash", "ash", "zsh", "ksh")


# Programs that run the rest of their command line, and whether their options take a value.
_WRAPPERS = ("tini", "dumb-init", "nohup", "exec", "env", "stdbuf", "nice", "ionice", "numactl", "time", "command")


class Program(msgspec.Struct, frozen=True):
    """The program of a container, as far as it is known.

    `options` are those of the shell (`e`, `x`, `pipefail`) from its command line. `inline` says that the script is part
    of the container's command. A plain command is parsed as one line; `starts` are the offsets of its words, which map
    to the items of the list.
    """

    script: Script
    shell: str = ""
    options: frozenset[str] = frozenset()
    text: Text | None = None
    words: tuple[Spot, ...] = ()
    starts: tuple[int, ...] = ()
    inline: bool = False

    def at(self, offset: int) -> Spot:
        """The place of a character of the script, or of its word in the command."""
        if self.text is not None:
            return self.text.at(offset)
        return self.words[bisect_right(self.starts, offset) - 1]

    @property
    def opaque(self) -> bool:
        """Whether the script sources another one, which may set any variable; a toolkit's sets only paths."""
        return any(_may_set_anything(command) for command in self.script.commands)


_TOOLKIT_SCRIPTS = re.compile(r"/(?:bin/activate|conda\.sh|\.bashrc)$|^/etc/profile$")


def _may_set_anything(command: Command) -> bool:
    if command.name not in ("source", "."):
        return command.name == "eval" or not command.words
    path = command.arguments[0].raw.strip("\"'") if command.arguments else ""
    return not (path in environment_scripts() or _TOOLKIT_SCRIPTS.search(path))


def program(container: Container, spot: Callable[..., Spot], files: Callable[[str], Text | None]) -> Program | None:
    """The program of a container; None if the image defines it, or it cannot be parsed.

    `files` returns the text of a path in the container, if the input has it.
    """
    words = [*container.command, *container.args]
    if not container.command:
        return None
    spots = _spots(container, spot)
    start = _unwrapped(words)
    if start < len(words) and PurePosixPath(words[start]).name in _SHELLS:
        return _shell(words, start, spots, files)
    starts = tuple(accumulate((len(word) + 1 for word in words[:-1]), initial=0))
    return Program(_plain(words, starts), words=spots, starts=starts)


def _unwrapped(words: list[str]) -> int:
    """The index of the program without its wrappers: `tini -- bash …` runs bash."""
    index = 0
    while index < len(words) and PurePosixPath(words[index]).name in _WRAPPERS:
        index += 1
        while index < len(words) and (words[index].startswith("-") or re.match(r"\w+=", words[index])):
            index += 1
    return index


def unread_script(container: Container, spot: Callable[..., Spot], files: Callable[[str], Text | None]) -> Text | None:
    """The script of a container without a known program: it is too large to be parsed."""
    words = [*container.command, *container.args]
    start = _unwrapped(words) if container.command else len(words)
    if start >= len(words) or PurePosixPath(words[start]).name not in _SHELLS:
        return None
    return _script_text(words, start, _spots(container, spot), files)


def _spots(container: Container, spot: Callable[..., Spot]) -> tuple[Spot, ...]:
    """The places of the words of a container's command."""
    fields = (("command", container.command), ("args", container.args))
    return tuple(spot(field, index) for field, items in fields for index in range(len(items)))


def _script_text(
    words: list[str], start: int, spots: tuple[Spot, ...], files: Callable[[str], Text | None]
) -> Text | None:
    """The script that a shell runs: inline, or a file of the input."""
    options, index = _options(words, start)
    if index >= len(words):
        return None
    return Text(spots[index].document, spots[index].path, words[index]) if "c" in options else files(words[index])


def _shell(
    words: list[str], start: int, spots: tuple[Spot, ...], files: Callable[[str], Text | None]
) -> Program | None:
    options, _ = _options(words, start)
    inline = "c" in options
    text = _script_text(words, start, spots, files)
    script = parse(text.value) if text is not None else None
    if script is None:
        return None
    return Program(script, PurePosixPath(words[start]).name, options, text, inline=inline)


def _options(words: list[str], start: int) -> tuple[frozenset[str], int]:
    """The options of a shell, and the index of the word after them: the script file, or with `c` the script."""
    options: set[str] = set()
    index = start + 1
    while index < len(words) and words[index].startswith(("-", "+")) and words[index] not in ("-", "--"):
        letters = words[index][1:] if words[index].startswith("-") and not words[index].startswith("--") else ""
        options |= set(letters)
        if letters.endswith("o") and index + 1 < len(words):
            index += 1
            options.add(words[index])
        index += 1
    return frozenset(options), index + (words[index : index + 1] == ["--"])


def script_file(container: Container) -> tuple[str, int, str] | None:
    """The script file that a container's shell runs: its field, its index in the field and its name."""
    words = [*container.command, *container.args]
    start = _unwrapped(words) if container.command else len(words)
    if start >= len(words) or PurePosixPath(words[start]).name not in _SHELLS:
        return None
    options, index = _options(words, start)
    if "c" in options or index >= len(words):
        return None
    count = len(container.command)
    return ("command", index, words[index]) if index < count else ("args", index - count, words[index])


def _plain(words: list[str], starts: tuple[int, ...]) -> Script:
    """A command without a shell; Kubernetes expands `$(NAME)`."""
    made = tuple(Word(_parts(word), word, start) for word, start in zip(words, starts, strict=True))
    reads = tuple(
        Read(part, word.start, Context()) for word in made for part in word.parts if isinstance(part, Expansion)
    )
    return Script("", commands=(Command(made, 0, Context()),), reads=reads)


def _parts(word: str) -> tuple[Part, ...]:
    pieces = re.split(r"\$\(([A-Za-z_][\w.-]*)\)", word)
    return tuple(
        Expansion(piece) if index % 2 else piece.replace("$$", "$") for index, piece in enumerate(pieces) if piece
    )


def stops(program: Program) -> bool:
    """Whether the shell exits at the first failure."""
    if program.options & {"e", "errexit"}:
        return True
    for command in program.script.named("set"):
        words = [word.text or "" for word in command.arguments]
        if "errexit" in words or any(re.fullmatch(r"-\w*e\w*", word) for word in words):
            return True
    return False


def constants(program: Program, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that have the same value wherever the script reads them."""
    known = dict(given)
    assigned = [assignment.name for assignment in program.script.assignments]
    for assignment in program.script.assignments:
        value = assignment.value.with_values(known) if assignment.value is not None else None
        sure = not assignment.context.branch and assigned.count(assignment.name) == 1
        if value is not None and sure:
            known[assignment.name] = value
        else:
            known.pop(assignment.name, None)
    return known


_COMMAND_WRAPPERS = frozenset((*_WRAPPERS, "timeout", "sudo"))


def unwrapped(command: Command) -> Command:
    """The command without its wrappers: `timeout 1h torchrun …` runs torchrun."""
    words = command.words
    while words and (words[0].text or "").rpartition("/")[2] in _COMMAND_WRAPPERS:
        timed = (words[0].text or "").endswith("timeout")
        words = words[1:]
        while words and (words[0].raw.startswith("-") or re.match(r"[A-Za-z_]\w*=", words[0].raw)):
            words = words[1:]
        words = words[1:] if timed else words
    return msgspec.structs.replace(command, words=words) if words != command.words else command
