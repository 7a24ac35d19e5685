"""`ftc plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from ftc.api.runs import plan
from ftc.cli.options import Reporting, configuration, refusals, report, reporting
from ftc.diagnostics.printable import as_json as as_json_text
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from pathlib import Path


@click.command("plan")
@configuration
@click.option("-t", "--target", type=click.Choice(list(POD_TARGETS)), default="volcano", help="What runs the pod.")
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON object.")
@reporting
def command(  # noqa: PLR0913 - click hands over each option
    *,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    target: str,
    reporting: Reporting,
    as_json: bool,
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
    if as_json:
        click.echo(as_json_text(msgspec.to_builtins(found.summary)))
    else:
        click.echo(found.text.encode(), nl=False)
