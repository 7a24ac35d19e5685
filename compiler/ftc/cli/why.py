"""`ftc why`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Place, Reporting, cannot_write, in_cluster, not_empty, refusals
from ftc.diagnostics.printable import as_json as as_json_text

if TYPE_CHECKING:
    from ftc.api.diagnosis import Diagnosed


@click.command("why")
@click.argument("name", required=False, type=not_empty)
@click.option(
    "--from",
    "paths",
    type=Place(exists=True, path_type=Path),
    multiple=True,
    help="A saved situation instead of a cluster: a directory with objects.json, or files with objects.",
)
@in_cluster
@click.option(
    "--save",
    type=Place(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write what was read into DIR, without secrets, for `--from` or for a platform team.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
def command(  # noqa: PLR0913 - click hands over each option
    name: str | None,
    paths: tuple[Path, ...],
    namespace: str | None,
    context: str | None,
    save: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say why the job NAME does not run: the first cause, what shows it, and what helps; then the causes behind it.

    It reads the job, its pods, events, claims, queues and nodes, and the log of the container that failed. With --from
    it reads objects that were saved, and needs no cluster: a directory may also have `logs/POD.CONTAINER.txt`,
    `refused.txt` with what kubectl printed, and `now.txt` with the time of the recording. The exit code is 1 if the job
    does not exist.

    \b
      ftc why qwen-sft-x7k2p
      ftc why qwen-sft-x7k2p --save situation
      kubectl get vcjob,job,pod,podgroup,queue,pvc,event,node -o json > objects.json
      ftc why qwen-sft-x7k2p --from objects.json
    """
    from ftc.api.diagnosis import why  # noqa: PLC0415 - only when it is used

    try:
        with refusals(Reporting()):
            found = why(name, paths=paths, namespace=namespace, context=context)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if save is not None:
        _save(found, save)
    if as_json:
        click.echo(as_json_text(found.data))
    else:
        click.echo(found.text, nl=False)
    if found.state == "unknown":
        sys.exit(1)


def _save(found: Diagnosed, folder: Path) -> None:
    try:
        found.save(folder)
    except OSError as error:
        cannot_write(folder, error)
