"""`ftc init --hardware NAME` and the like: an option of a group in the user's own conf."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ftc.cli.options import not_empty, refuse, say
from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_F = TypeVar("_F", bound="Callable[..., Any]")
GROUPS = ("hardware", "dataset", "model", "cluster")
WROTE = "wrote"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_OPEN = "???"


def own_options(function: _F) -> _F:
    """An option for each group that has a template."""
    for group in reversed(GROUPS):
        help_ = f"Write conf/{group}/NAME.yaml, your own {group}."
        option = click.option(f"--{group}", group, multiple=True, metavar="NAME", type=not_empty, help=help_)
        function = option(function)
    return function


def write_options(target: Path, own: Mapping[str, tuple[str, ...]]) -> None:
    """Write the files, and say what to fill in and what to run."""
    wanted = [(group, name) for group, names in own.items() for name in names]
    for group, name in wanted:
        check_name(group, name)
    for group, name in wanted:
        file = target / "conf" / group / f"{name}.yaml"
        say(f"{write_new(file, _text(group, name))} {file}")
        write_schema(target / "conf", group)
        for key in _to_fill_in(file):
            say(f"ftc: {file}: fill in {key}", err=True)
    chosen = " ".join(f"{group}={name}" for group, name in wanted)
    say(f"ftc: then run: ftc plan --config-dir {shlex.quote(str(target / 'conf'))} {chosen}", err=True)


def write_schema(conf: Path, group: str) -> None:
    """Write the schema for editors that the last line of an option names."""
    from ftc import editor  # noqa: PLC0415 - not needed to show the help

    schema = conf / ".schema" / f"{group}.schema.json"
    say(f"{write_new(schema, editor.text(group))} {schema}")


def check_name(group: str, name: str) -> None:
    """Refuse a name that is not one, or that a shipped option has."""
    from ftc import editor  # noqa: PLC0415 - the same as above

    if not _NAME.fullmatch(name):
        refuse(f"'{name}' cannot be the name of an option: write lower case letters, digits, '-', '_' and '.'")
    if name in editor.options(group):
        refuse(f"{group}={name} is shipped with ftc: choose another name")


def _text(group: str, name: str) -> str:
    template = (directory("template") / "own" / f"{group}.yaml").read_text(encoding="utf-8")
    return f"{template.replace('NAME', name)}# yaml-language-server: $schema=../.schema/{group}.schema.json\n"


def _to_fill_in(file: Path) -> Iterator[str]:
    """The lines that still need a value, by number and key."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        key, _, value = line.strip().partition(": ")
        if value.startswith(_OPEN):
            yield f"{key} (line {number})"


def write_new(file: Path, text: str) -> str:
    """Write a file unless it exists; return what was done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(text)
    except FileExistsError:
        return "kept"
    return WROTE
