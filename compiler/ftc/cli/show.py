"""`ftc show`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Reporting, configuration, report, reporting
from ftc.diagnostics.model import has_errors
from ftc.driver import Request, compile_job
from ftc.output import spec_text

if TYPE_CHECKING:
    from pathlib import Path


@click.command("show")
@configuration
@reporting
def command(overrides: tuple[str, ...], config_dirs: tuple[Path, ...], config_name: str, reporting: Reporting) -> None:
    """Print the resolved spec: every key that an override can set, with its value.

    It is printed also where groups do not fit each other; the exit code is 1 then.

    \b
      ftc show hardware=ascend
    """
    state = compile_job(Request(overrides, config_dirs, config_name, (), reporting.ignore, reporting.strict))
    report(state.diagnostics, reporting)
    if state.spec is not None:
        click.echo(spec_text.text(state.spec).encode(), nl=False)
    if has_errors(state.diagnostics):
        sys.exit(1)
