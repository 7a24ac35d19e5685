"""`ftc plan`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.api.runs import plan
from ftc.cli.options import Reporting, configuration, refusals, report, reporting_with_data
from ftc.cli.terminal import columns, has_colour, plain, styled
from ftc.diagnostics.printable import as_json
from ftc.summary.render import WIDTH, render
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from pathlib import Path


@click.command("plan")
@configuration
@click.option("-t", "--target", type=click.Choice(list(POD_TARGETS)), default="volcano", help="What runs the pod.")
@reporting_with_data
def command(
    *,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    target: str,
    reporting: Reporting,
) -> None:
    """Print one screen to read before submitting: the nodes, their resources, and the files of the run.

    The memory of a device is an estimate. If there is an error, nothing is printed, and the exit code is 1.

    \b
      ftc plan model=qwen3-8b hardware=h800 devices=8
      ftc plan model=qwen3-8b hardware=h800 method=full-sft devices=8 engine=deepspeed-z3 --json
    """
    with refusals(reporting):
        found = plan(
            *overrides,
            config_name=config_name,
            config_dirs=config_dirs,
            target=target,
            ignore=reporting.ignore,
            strict=reporting.strict,
        )
    report(found.findings, reporting)
    if reporting.is_json:
        click.echo(as_json(msgspec.to_builtins(found.summary)))
    else:
        colour = has_colour(sys.stdout)
        text = render(found.summary, columns() or WIDTH, styled if colour else plain)
        click.echo(text, nl=False, color=colour)
