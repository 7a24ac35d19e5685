"""`ftc list`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ftc.cli.complete import about
from ftc.cli.options import config_dirs, data_format, not_empty, refuse, report
from ftc.cli.terminal import columns, rows, show
from ftc.conf_tree import groups, search_path
from ftc.diagnostics.printable import as_json, escaped, inert

if TYPE_CHECKING:
    from pathlib import Path


@click.command("list")
@click.argument("group", required=False, type=not_empty)
@click.option("--wide", is_flag=True, help="A table of what each kind of hardware supports; JSON has it too.")
@data_format
@config_dirs
def command(group: str | None, *, wide: bool, is_json: bool, config_dirs: tuple[Path, ...]) -> None:
    """List config groups, or the options of GROUP, with a description of each.

    JSON has an object for each option, for hardware with what it supports.

    \b
      ftc list
      ftc list hardware
      ftc list hardware --wide
      ftc list dataset --json
    """
    path = search_path(config_dirs)
    known = groups(path)
    if group is not None and group not in known:
        from ftc.diagnostics.model import did_you_mean  # noqa: PLC0415 - for a mistake only

        refuse(f"unknown group '{group}'; {did_you_mean(group, known)}")
    texts = {name: _texts(path, name, known[name]) for name in ([group] if group else known)}
    if wide or (is_json and group == "hardware"):
        _table(group, texts, config_dirs, is_json=is_json)
    elif is_json:
        found = [{"group": name, "options": _objects(options)} for name, options in texts.items()]
        click.echo(as_json(found[0]["options"] if group else found))
    elif group is None:
        show(rows([(name, ", ".join(options)) for name, options in texts.items()], ("name",)))
    else:
        show(rows(list(texts[group].items()), ("name",)))


def _texts(path: list[tuple[Path, str]], group: str, options: tuple[str, ...]) -> dict[str, str]:
    """The first comment of each option's file."""
    files = {option: [place / group / f"{option}.yaml" for place, _ in path] for option in options}
    return {option: next((about(file) for file in places if file.is_file()), "") for option, places in files.items()}


def _objects(texts: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": option, "description": text} for option, text in texts.items()]


def _table(group: str | None, texts: dict[str, Any], config_dirs: tuple[Path, ...], *, is_json: bool) -> None:
    from ftc.cli import hardware_table  # noqa: PLC0415 - composes every option, which a plain list does not

    if group != hardware_table.GROUP:
        refuse(f"--wide is for `ftc list {hardware_table.GROUP}`")
    found, wrong = hardware_table.rows(config_dirs)
    report(wrong)
    if is_json:
        click.echo(as_json([{**row, "description": texts[group][row["name"]]} for row in found]))
    else:
        show(map(inert, map(escaped, hardware_table.text(found, columns()))))
    if wrong:
        sys.exit(1)
