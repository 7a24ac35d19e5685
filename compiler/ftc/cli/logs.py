"""`ftc logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, in_cluster, not_empty, refusals, refuse, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.cluster.log_lines import LogLine

_INTERRUPTED = 130
_WIDTH = 80


def _duration(value: str) -> int:
    """The seconds of `10m`."""
    from ftc.api.logs import seconds  # noqa: PLC0415 - `--help` needs no cluster

    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _draw(name: str, lines: Iterable[LogLine | None]) -> None:
    """Print a chart for each metric in the lines."""
    from ftc.cli.terminal import columns  # noqa: PLC0415 - only when it is used
    from ftc.cluster.metrics import charts, metrics  # noqa: PLC0415 - the same

    found = metrics(line.text for line in lines if line is not None)
    if not found:
        refuse(f"the log of {name} has no metrics: it logs them every train.logging_steps steps")
    for line in charts(found, columns() or _WIDTH):
        click.echo(line)


@click.command("logs")
@click.argument("name", type=not_empty)
@in_cluster
@click.option("--node", type=click.IntRange(min=0), help="The rank of the node; by default 0.")
@click.option("--all", "every", is_flag=True, help="All nodes, by time; identical lines of ranks become one.")
@click.option("-c", "--container", type=not_empty, help="The container; by default the one that matters now.")
@click.option("-f", "--follow", is_flag=True, help="Wait for more lines until the run has ended.")
@click.option("--since", type=_duration, metavar="TIME", help="Only the lines of the last time, such as 10m.")
@click.option("--metrics", is_flag=True, help="Draw the loss, the learning rate and the norm of the gradient.")
def command(  # noqa: PLR0913, PLR0917 - click hands over each option
    name: str,
    namespace: str | None,
    context: str | None,
    node: int | None,
    container: str | None,
    since: int | None,
    *,
    every: bool,
    follow: bool,
    metrics: bool,
) -> None:
    """Print the log of the run NAME: of rank 0's training, or of the init container that runs or failed.

    Of a run that failed, the first line is the error of the node that failed first: the others usually report only a
    broken connection. A node that has no log yet says why it waits. Secrets are redacted, control characters escaped.

    \b
      ftc logs qwen-sft-x7k2p -f
      ftc logs qwen-sft-x7k2p --all --since 10m
      ftc logs qwen-sft-x7k2p --node 3 -c fetch-model
      ftc logs qwen-sft-x7k2p --metrics
    """
    from ftc.api.logs import lines  # noqa: PLC0415 - `--help` needs no cluster
    from ftc.cluster.log_lines import collapsed  # noqa: PLC0415 - the same
    from ftc.cluster.logs import Choice  # noqa: PLC0415 - the same

    if every and node is not None:
        raise click.UsageError("give --node or --all, not both")
    if metrics and (every or follow):
        raise click.UsageError("--metrics draws the log of one node so far: leave --all and --follow out")
    choice = Choice(None if every else node or 0, container or "", since or 0)
    try:
        with refusals(Reporting()):
            found = lines(name, choice, follow=follow, namespace=namespace, context=context)
            if metrics:
                _draw(name, found)
                return
            for line in collapsed(found):
                say(line)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
