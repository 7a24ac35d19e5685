"""`ftc submit`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ftc.cli.options import (
    Place,
    Reporting,
    configuration,
    not_empty,
    refusals,
    refuse,
    report,
    reporting_with_data,
)
from ftc.source import MAX_STREAM_BYTES
from ftc.targets import POD_TARGETS

_DASH, _STDIN = Path("-"), "<stdin>"


@click.command("submit")
@configuration
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=Place(path_type=Path),
    metavar="FILE",
    help="The manifest of a job instead of overrides; - is stdin. May be given several times.",
)
@click.option(
    "-t",
    "--target",
    type=click.Choice(list(POD_TARGETS)),
    default="volcano",
    show_default=True,
    help="The target that runs the pod.",
)
@click.option(
    "-n", "--namespace", type=not_empty, help="The namespace; by default that of the manifest, or of the context."
)
@click.option("--context", type=not_empty, help="The context of the kubeconfig.")
@click.option("--dry-run", is_flag=True, help="Check everything, also on the server, and create nothing.")
@click.option(
    "--ignore-preflight",
    is_flag=True,
    help="Create the job although the cluster could not run it now: an autoscaler may add nodes.",
)
@reporting_with_data
def command(
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    files: tuple[Path, ...],
    reporting: Reporting,
    **options: str | bool | None,
) -> None:
    """Compile a run, check that the cluster can run it, and create it.

    Before anything is created, ftc asks whether you may create the job; whether the claims, Secrets, ConfigMaps, the
    ServiceAccount, the PriorityClass and the queue exist; whether enough nodes have the devices; and whether the quota,
    the limits and the Pod Security level of the namespace allow the pods. Then the API server checks the job without
    creating it. A refusal names the line of the configuration and what helps; nothing is left in the cluster, and the
    exit code is 3.

    \b
      ftc submit hardware=h800 devices=8
      ftc submit -t job nodes=2 cluster.kueue_queue=team -n research
      ftc submit --dry-run --config-dir conf -c my-run
      ftc submit -f job.yaml
    """
    from ftc.api.submission import submit  # noqa: PLC0415 - `--help` needs no cluster

    _, ignore, strict = reporting
    if overrides and files:
        raise click.UsageError("give overrides or -f, not both")
    texts = {_STDIN: sys.stdin.buffer.read(MAX_STREAM_BYTES + 1)} if _DASH in files else {}
    try:
        with refusals(reporting):
            found = submit(
                *overrides,
                files=[one for one in files if one != _DASH],
                texts=texts,
                config_name=config_name,
                config_dirs=config_dirs,
                ignore=ignore,
                strict=strict,
                **options,  # type: ignore[arg-type] # each option has the type of its parameter
            )
    except OSError as error:
        refuse(f"cannot read {error.filename or _STDIN}: {error.strerror}")
    report(found.findings, reporting)
    if reporting.is_json:
        from ftc.diagnostics.printable import as_json  # noqa: PLC0415 - only for this format

        click.echo(as_json(found.data))
    else:
        click.echo(found.text, nl=False)
