"""`ftc show`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, configuration, report, reporting_with_data
from ftc.diagnostics.model import has_errors
from ftc.diagnostics.printable import as_json
from ftc.driver import Request, compile_job
from ftc.output import spec_text
from ftc.output.spec_text import data_with_origins as origin_data
from ftc.output.spec_text import text_with_origins as origin_text

if TYPE_CHECKING:
    from pathlib import Path


@click.command("show")
@configuration
@click.option("--origins", is_flag=True, help="Print the file and line, or the override, that set each value.")
@reporting_with_data
def command(
    overrides: tuple[str, ...], config_dirs: tuple[Path, ...], config_name: str, reporting: Reporting, *, origins: bool
) -> None:
    """Print the resolved spec: every key that an override can set, with its value.

    Secrets are redacted. JSON with --origins is a list of the keys with their values and origins. The spec is printed
    even if groups do not fit together; the exit code is then 1.

    \b
      ftc show hardware=ascend
      ftc show hardware=ascend devices=8 --origins
    """
    state = compile_job(Request(overrides, config_dirs, config_name, (), reporting.ignore, reporting.strict))
    report(state.diagnostics, reporting)
    if state.spec is not None and state.composed is not None:
        if reporting.is_json:
            click.echo(
                as_json(origin_data(state.spec, state.composed.origin) if origins else spec_text.plain(state.spec))
            )
            sys.exit(has_errors(state.diagnostics))
        shown = origin_text(state.spec, state.composed.origin) if origins else spec_text.shown(state.spec)
        click.echo(shown.encode(), nl=False)
    if has_errors(state.diagnostics):
        sys.exit(1)
