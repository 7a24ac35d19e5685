"""`ftc clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, data_format, refusals, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.api.workspace import Entry

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@click.command("clean")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Remove the named runs and sources; by default they are only listed.")
@data_format
def command(directory: Path, names: tuple[str, ...], *, yes: bool, is_json: bool) -> None:
    """List the runs and the downloaded sources in the workspace DIRECTORY, or remove NAME from it.

    Each has its size and the time since its last change. Nothing is removed without --yes. A run that a process has
    locked or that changed in the last hour stays, and so do the runs that it reads and the sources that it may read.
    Links are not followed.

    \b
      ftc clean /workspace
      ftc clean /workspace qwen3-lora-sft-x7k2p cache/qwen3-8b-1f0e7c2a
      ftc clean /workspace qwen3-lora-sft-x7k2p --yes
    """
    from ftc.api.workspace import chosen, entries  # noqa: PLC0415 - `--help` reads no directory

    if yes and not names:
        raise click.UsageError("--yes removes what is named: give a NAME of the list")
    with refusals(Reporting("json" if is_json else "text")):
        found = chosen(directory, names) if names else entries(directory)
        if yes:
            _remove(directory, found, is_json=is_json)
            return
    if is_json:
        _print_json(found)
        return
    for one in found:
        say(_line(one))
    if not found:
        say("ftc: the directory has no runs and no sources", err=True)
    elif names:
        say("ftc: nothing is removed without --yes", err=True)


def _remove(directory: Path, found: Sequence[Entry], *, is_json: bool) -> None:
    """Remove the entries, and say which are removed even if a later one cannot be."""
    from ftc.api.workspace import remove  # noqa: PLC0415 - `--help` reads no directory

    removed = []
    try:
        for one in found:
            remove(directory, one)
            removed.append(one)
            if not is_json:
                say(f"removed {_line(one)}")
    finally:
        if is_json:
            _print_json(removed)


def _print_json(found: Sequence[Entry]) -> None:
    import msgspec  # noqa: PLC0415 - only for this format

    from ftc.diagnostics.printable import as_json  # noqa: PLC0415 - the same

    click.echo(as_json(msgspec.to_builtins(found)))


def _line(one: Entry) -> str:
    used = f"  in use: {one.in_use}" if one.in_use else ""
    return f"{one.kind:6}  {one.size / 2**30:8.1f} GiB  {_age(one.age):>4}  {one.name}{used}"


def _age(seconds: int) -> str:
    """The time since the last change in its largest unit."""
    unit, name = next(
        ((size, name) for size, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")) if seconds >= size), (1, "s")
    )
    return f"{seconds // unit}{name}"
