"""`ftc list`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftc.cli.options import complete_group, config_dirs, not_empty, refuse, report, say
from ftc.compose import groups
from ftc.diagnostics.model import did_you_mean
from ftc.diagnostics.printable import as_json
from ftc.driver import search_path

if TYPE_CHECKING:
    from pathlib import Path


@click.command("list")
@click.argument("group", required=False, type=not_empty, shell_complete=complete_group)
@click.option("--wide", "form", flag_value="wide", help="A table of what each kind of hardware supports.")
@click.option("--json", "form", flag_value="json", help="The same as a JSON array of objects.")
@config_dirs
def command(group: str | None, form: str | None, config_dirs: tuple[Path, ...]) -> None:
    """List config groups, or the options of GROUP, with a description of each.

    \b
      ftc list
      ftc list hardware
      ftc list hardware --wide
    """
    if form is not None:
        _table(group, form, config_dirs)
        return
    path = search_path(config_dirs)
    known = groups(path)
    if group is None:
        rows = [(name, ", ".join(options)) for name, options in known.items()]
    elif group in known:
        directories = [directory for directory, _ in path]
        rows = [(option, _line(directories, group, option)) for option in known[group]]
    else:
        refuse(f"unknown group '{group}'; {did_you_mean(group, known)}")
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        say(f"{name:{width}}  {text}".rstrip())


def _table(group: str | None, form: str, config_dirs: tuple[Path, ...]) -> None:
    from ftc.cli import hardware_table  # noqa: PLC0415 - composes every option, which a plain list does not

    if group != hardware_table.GROUP:
        refuse(f"--{form} is for `ftc list {hardware_table.GROUP}`")
    found, wrong = hardware_table.rows(config_dirs)
    report(wrong)
    if form == "json":
        click.echo(as_json(found))
    else:
        for line in hardware_table.text(found):
            say(line)
    if wrong:
        sys.exit(1)


def _line(directories: list[Path], group: str, option: str) -> str:
    """The first comment of the option's file."""
    files = [file for directory in directories if (file := directory / group / f"{option}.yaml").is_file()]
    lines = files[0].read_text(encoding="utf-8", errors="replace").splitlines() if files else []
    comments = [line.lstrip("# ") for line in lines if line.startswith("# ") and not line.startswith("# @")]
    return comments[0] if comments else ""
