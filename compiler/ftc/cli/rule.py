"""`ftc rule`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftc.cli.options import complete_code, refuse
from ftc.diagnostics.model import did_you_mean

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page


@click.command("rule")
@click.argument("code", required=False, shell_complete=complete_code)
def command(code: str | None) -> None:
    """Print the page of CODE: what must hold, why, and how to write it right; without CODE, list all.

    \b
      ftc rule
      ftc rule FTC301
    """
    from ftc.cli.pages import pages  # noqa: PLC0415 - every rule, which `ftc rule --help` need not load
    from ftc.diagnostics.page import render  # noqa: PLC0415 - the same
    from ftc.lint.pages import with_example  # noqa: PLC0415 - the same

    known = pages()
    if code is None:
        click.echo("".join(_row(page) for page in known.values()), nl=False)
    elif code.upper() in known:
        click.echo(render(with_example(known[code.upper()])), nl=False)
    else:
        refuse(f"there is no code '{code}'; {did_you_mean(code.upper(), known)}")


def _row(page: Page) -> str:
    return f"{page.code}  {page.severity.value:7}  {page.title}\n"
