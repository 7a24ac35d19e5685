"""Compare the output that a page shows with the output of its commands, and rewrite the page."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from docs import page
from docs.page import ELLIPSIS, Command
from docs.session import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from docs.session import Done


def differences(file: Path) -> str:
    """A readable list of the commands of a page whose output or exit code differs; empty if none does."""
    return "\n".join(_shown(file, command, done) for command, done in _results(file) if not matches(command, done))


def matches(command: Command, done: Done) -> bool:
    """Whether a command printed what the page shows."""
    return done.exit_code == command.exit_code and bool(_pattern(command.output).fullmatch(_joined(done.output)))


def rewritten(file: Path) -> str:
    """The page with the real output of each command whose output is without `…`."""
    lines = file.read_text(encoding="utf-8").split("\n")
    for command, done in reversed(_results(file)):
        if not command.elided:
            code = [f"[exit {done.exit_code}]"] if done.exit_code else []
            lines[command.first - 1 : command.last - 1] = [
                f"{command.indent}{line}".rstrip() for line in (*done.output, *code)
            ]
    return "\n".join(lines)


def _results(file: Path) -> list[tuple[Command, Done]]:
    steps = page.steps(file.read_text(encoding="utf-8"))
    commands = [step for step in steps if isinstance(step, Command)]
    return list(zip(commands, run(steps, page.needs(file)) if commands else (), strict=True))


def _pattern(output: Iterable[str]) -> re.Pattern[str]:
    """`…` matches any text of a line, a line that is only `…` any number of lines."""
    parts = [
        r"(?:.*\n)*" if line.strip() in ELLIPSIS else ".*".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
        for line in output
    ]
    return re.compile("".join(parts))


def _joined(output: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in output)


def _shown(file: Path, command: Command, done: Done) -> str:
    head = f"{file}:{command.line}: $ {command.text}"
    if done.exit_code != command.exit_code:
        head += f"\nexit code {done.exit_code}, but the page shows {command.exit_code}"
    diff = difflib.unified_diff(command.output, done.output, "page", "output", lineterm="", n=1)
    return "\n".join((head, *diff))
