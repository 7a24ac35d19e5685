"""`ftc explain`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ftc.api.explanation import EXPLAINED, WIDTH, explain
from ftc.cli.options import Reporting, configuration, not_empty, refusals, refuse, reporting_with_data
from ftc.cli.terminal import columns, show
from ftc.diagnostics.printable import as_json, escaped, inert

if TYPE_CHECKING:
    from pathlib import Path


@click.command("explain")
@click.argument("what", type=not_empty, metavar="KEY|PATH|LINE")
@configuration
@click.option(
    "-t",
    "--target",
    type=click.Choice(EXPLAINED),
    help="The target of PATH or LINE. Without it, ftc looks for a key of the spec first, then in volcano.",
)
@reporting_with_data
def command(  # noqa: PLR0913 - one parameter per option
    *,
    what: str,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    target: str | None,
    reporting: Reporting,
) -> None:
    """Explain a key, or the origin of a value.

    For a KEY of the spec, or its last part: its type, its meaning and its default; the file or override that set it,
    marked with >, and those that it overrides; then the keys that it refers to. For a PATH or a LINE of the output of
    `ftc compile -t TARGET`: the keys of the fragments (pod) that set it, or if ftc set it, the keys of the spec that
    change it, found by changing them. There may be more.

    \b
      ftc explain learning_rate
      ftc explain hardware.memory_gib_per_device hardware=h800
      ftc explain 'spec.tasks[0].template.spec.containers[train].resources.limits' devices=2
      ftc explain 42 nodes=2
      ftc explain out/volcano.yaml:42 nodes=2
      ftc explain -t llamafactory learning_rate
      ftc explain -t llamafactory merge.yaml:template
    """
    if re.fullmatch(r"(?i)FTC[0-9]+", what):
        refuse(f"'{what}' is a code, not a key: `ftc rule {what.upper()}` explains it")
    try:
        with refusals(reporting):
            found = explain(what, *overrides, config_name=config_name, config_dirs=config_dirs, target=target)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if reporting.is_json:
        click.echo(as_json(found.data))
    else:
        show(inert(escaped(line)) for line in found.lines(columns() or WIDTH))
