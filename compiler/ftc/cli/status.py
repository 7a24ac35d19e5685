"""`ftc status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, in_cluster, not_empty, refusals, say
from ftc.cli.terminal import columns

if TYPE_CHECKING:
    from ftc.api.status import Status


@click.command("status")
@click.argument("name", required=False, type=not_empty)
@in_cluster
@click.option("-w", "--watch", is_flag=True, help="Show each change; with NAME, until it has ended.")
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object; with --watch, a line per change.")
def command(name: str | None, namespace: str | None, context: str | None, *, watch: bool, as_json: bool) -> None:
    """Show the runs of a namespace, or the run NAME: its phase, nodes, step, age and queue.

    NODES are the nodes that are ready, of those that the run wants. STEP comes from the log of rank 0: fetch, train
    with the steps of the trainer, merge, quantize, check, evaluate, push. Below the table, the verdict of
    chat_template_check and the numbers of evaluate have a line each. If NAME does not run, the last line says why,
    as `ftc why` does.

    \b
      ftc status
      ftc status qwen-sft-x7k2p -n research
      ftc status --watch
    """
    if watch:
        from ftc.cli.watch import watch as watched  # noqa: PLC0415 - only when it is used

        watched(name, namespace, context, as_json=as_json)
        return
    from ftc.api.status import status  # noqa: PLC0415 - `--help` needs no cluster

    with refusals(Reporting()):
        found = status(name, namespace=namespace, context=context)
    if as_json:
        _as_json(found)
    elif found.runs:
        _show(found)
    else:
        say("ftc: the namespace has no runs", err=True)


def _as_json(found: Status) -> None:
    import msgspec  # noqa: PLC0415 - only for this format

    from ftc.diagnostics.printable import as_json  # noqa: PLC0415 - the same

    click.echo(as_json(msgspec.to_builtins(found)))


def _show(found: Status) -> None:
    from ftc.api.status import lines  # noqa: PLC0415 - `--help` needs no cluster

    for line in lines(found, columns()):
        say(line)
