r"""A page of the documentation as a list of steps: files to write and commands to run.

```console  `$ ` begins a command; `\` at the end of its line and `> ` continue it. The lines to the next `$ ` are its
            output; `[exit 1]` is the last if it exits with 1. A `…` matches any text, alone any number of lines.
```LANGUAGE title="FILE"  is written to FILE.
```shell  is only shown: a command that needs a cluster, a network or a package index.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
TITLE = re.compile(r"""\btitle=(["'])(?P<file>.+?)\1""")
NEEDS = re.compile(r"^<!-- needs: (?P<names>[a-z ]+) -->$", re.MULTILINE)
EXIT = re.compile(r"^\[exit (\d+)\]$")
ELLIPSIS = ("…", "...")


class Block(NamedTuple):
    """A fenced block, without its indentation; `line` is the number of its first line of text in the page."""

    info: str
    text: str
    line: int
    indent: str

    @property
    def language(self) -> str:
        return self.info.split()[0] if self.info.split() else ""

    @property
    def file(self) -> str:
        found = TITLE.search(self.info)
        return found["file"] if found else ""


class WriteFile(NamedTuple):
    name: str
    text: str
    line: int


class Command(NamedTuple):
    """A command and the output that the page shows, which is the lines `first` to `last` of the page."""

    text: str
    output: tuple[str, ...]
    exit_code: int
    line: int
    first: int
    indent: str

    @property
    def elided(self) -> bool:
        return any("…" in line or line == "..." for line in self.output)

    @property
    def last(self) -> int:
        return self.first + len(self.output) + (1 if self.exit_code else 0)


Step = WriteFile | Command


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        opened = FENCE.match(lines[number])
        number += 1
        if not opened:
            continue
        start = number
        while number < len(lines) and lines[number].strip() != opened["fence"]:
            number += 1
        body = textwrap.dedent("".join(f"{line}\n" for line in lines[start:number]))
        yield Block(opened["info"].strip(), body, start + 1, opened["indent"])
        number += 1


def steps(text: str) -> list[Step]:
    """The steps of a page, in their order."""
    found: list[Step] = []
    for block in blocks(text):
        if block.language == "console":
            found += commands(block)
        elif block.file:
            found.append(WriteFile(block.file, block.text, block.line))
    return found


def needs(page: Path) -> frozenset[str]:
    """The requirements of a page: `<!-- needs: clone trainer -->`."""
    found = NEEDS.search(page.read_text(encoding="utf-8"))
    return frozenset(found["names"].split()) if found else frozenset()


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    lines = block.text.removesuffix("\n").split("\n")
    if not lines[0].startswith("$ "):
        raise ValueError(f"line {block.line}: a console block begins with `$ ` and a command")
    number = 0
    while number < len(lines):
        line, typed = number, [lines[number].removeprefix("$ ")]
        number += 1
        while number < len(lines) and (typed[-1].endswith("\\") or re.match(r"> |>$", lines[number])):
            typed.append(re.sub(r"^> ?", "", lines[number]))
            number += 1
        first = number
        while number < len(lines) and not lines[number].startswith("$ "):
            number += 1
        output, exit_code = _exit_code(lines[first:number])
        yield Command("\n".join(typed), output, exit_code, block.line + line, block.line + first, block.indent)


def _exit_code(lines: list[str]) -> tuple[tuple[str, ...], int]:
    """The output, and the exit code from its last line."""
    found = EXIT.match(lines[-1]) if lines else None
    return (tuple(lines[:-1]), int(found[1])) if found else (tuple(lines), 0)
