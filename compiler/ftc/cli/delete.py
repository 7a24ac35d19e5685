"""`ftc delete`."""

from __future__ import annotations

import click

from ftc.cli.options import Reporting, data_format, not_empty, refusals


@click.command("delete")
@click.argument("name", type=not_empty)
@click.option("-n", "--namespace", type=not_empty, help="The namespace; by default that of the context.")
@click.option("--context", type=not_empty, help="The context of the kubeconfig.")
@data_format
def command(name: str, namespace: str | None, context: str | None, *, is_json: bool) -> None:
    """Delete the job NAME, its pods, and the Service that ftc made for it.

    NAME is a VolcanoJob, Job, JobSet or TrainJob; write KIND/NAME if the namespace has several of the name. Claims stay
    with the results of the run, except those that were made for the job. The command does not ask before it deletes.

    \b
      ftc delete qwen-sft-x7k2p
      ftc delete job/qwen-sft -n research
    """
    from ftc.api.deletion import delete  # noqa: PLC0415 - `--help` needs no cluster

    with refusals(Reporting("json" if is_json else "text")):
        found = delete(name, namespace=namespace, context=context)
    if is_json:
        from ftc.diagnostics.printable import as_json  # noqa: PLC0415 - only for this format

        click.echo(as_json(found.data))
    else:
        click.echo(found.text, nl=False)
