"""`ftc rule`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftc.cli.options import complete_code, refuse
from ftc.diagnostics.model import nearest
from ftc.rules.aliases import ALIASES

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page


@click.command("rule")
@click.argument("code", required=False, shell_complete=complete_code)
def command(code: str | None) -> None:
    """Print the page of CODE: the requirement, the reason, and a correct example; without CODE, list all codes.

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
        return
    name = f"FTC{code}" if code.isdecimal() else code.upper()
    if name in ALIASES:
        click.echo("\n".join(_moved(name, known)))
        return
    if name not in known:
        refuse(f"unknown code '{code}'; {nearest(name, known) or '`ftc rule` lists all'}")
    click.echo(render(with_example(known[name])), nl=False)


def _moved(name: str, known: dict[str, Page]) -> list[str]:
    return [f"{name} was replaced by:", "", *(_row(known[code]).rstrip("\n") for code in ALIASES[name])]


def _row(page: Page) -> str:
    return f"{page.code}  {page.severity.value:7}  {page.title}\n"
