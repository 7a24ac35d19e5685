"""`ftc status --watch`."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.api.cluster import answers
from ftc.api.status import shown
from ftc.cli.options import Reporting, refusals, say
from ftc.cli.terminal import columns
from ftc.cluster.live import changes
from ftc.cluster.server import Server
from ftc.cluster.status import table
from ftc.diagnostics.printable import inert_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.cluster.status import Run

_INTERRUPTED = 130


def watch(name: str | None, namespace: str | None, context: str | None, *, as_json: bool) -> None:
    """Show the runs and each of their changes; with a name, until the run has ended or does not exist any more."""
    try:
        with refusals(Reporting()), answers():
            server, told = Server(context, namespace), 0
            run = shown(server, name).runs[0].name if name else ""
            screen = _Lines(as_json=True) if as_json else _Screen() if sys.stdout.isatty() else _Lines(as_json=False)
            for now in changes(server, run):
                screen.show(now.runs)
                for one in now.unseen[told:]:
                    say(f"note: {one}", err=True)
                told = len(now.unseen)
                if run and (not now.runs or now.runs[0].has_ended):
                    break
            else:
                return
            _end(server, run, as_json=as_json)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _end(server: Server, name: str, *, as_json: bool) -> None:
    """Why a run that has ended has failed."""
    cause = shown(server, name).cause
    if cause and not as_json:
        say(cause.text)


class _Lines:
    """One line for each run that has changed, for a file or a pipe."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._before: dict[str, Run] | None = None

    def show(self, runs: Sequence[Run]) -> None:
        """Print what has changed; the age does not count."""
        before, self._before = self._before, {one.name: msgspec.structs.replace(one, age="") for one in runs}
        header, *lines = table(runs)
        if before is None and not self._as_json:
            say(header)
        for one, line in zip(runs, lines, strict=True):
            if (before or {}).get(one.name) == self._before[one.name]:
                continue
            if self._as_json:
                click.echo(inert_json(json.dumps(msgspec.to_builtins(one))))
            else:
                say(line)


class _Screen:
    """The whole table, in the place of the last one."""

    def __init__(self) -> None:
        self._height = 0

    def show(self, runs: Sequence[Run]) -> None:
        """Draw the table again."""
        lines = table(runs, columns())[: shutil.get_terminal_size().lines - 1]
        click.echo(f"\x1b[{self._height}A\x1b[J" if self._height else "", nl=False)
        for line in lines:
            say(line)
        self._height = len(lines)
