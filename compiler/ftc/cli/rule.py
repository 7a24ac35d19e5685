"""`ftc rule`."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

import click

from ftc.cli.options import complete_code, not_empty, refuse
from ftc.diagnostics.model import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.page import Page


@click.command("rule")
@click.argument("words", nargs=-1, type=not_empty, metavar="[RULE|WORD]...", shell_complete=complete_code)
def command(words: tuple[str, ...]) -> None:
    """Print the page of each RULE, a name or a code: the requirement, the reason, and a correct example.

    Without RULE, list all rules by group. A WORD that is not a rule lists the rules of that group, or those whose pages
    contain the word.

    \b
      ftc rule
      ftc rule FTC301
      ftc rule neat-packing-needs-batch-size-1 FTC301
      ftc rule memory
    """
    from ftc.rules.pages import pages  # noqa: PLC0415 - every rule, which `ftc rule --help` need not load

    known = pages()
    shown = [_shown(word, known) for word in words] or [_listed(known.values())]
    click.echo("\n".join(shown), nl=False)


def _shown(word: str, known: dict[str, Page]) -> str:
    """The page of a rule, the rules that replaced an old code, or those whose pages contain a word."""
    from ftc.diagnostics.page import render  # noqa: PLC0415 - the same
    from ftc.rules.catalogue import ALIASES  # noqa: PLC0415 - the same
    from ftc.rules.pages import with_example  # noqa: PLC0415 - the same

    codes = {page.name: code for code, page in known.items()}
    code = codes.get(word.lower()) or (f"FTC{word}" if word.isdecimal() else word.upper())
    if code in known:
        return render(with_example(known[code]))
    if code in ALIASES:
        return "".join((f"{code} was replaced by:\n\n", *_rows([known[one] for one in ALIASES[code]])))
    if code.startswith("FTC"):
        refuse(f"unknown code '{word}'; {nearest(code, known) or '`ftc rule` lists all'}")
    return _listed(_about(word, known.values())) or refuse(
        f"unknown rule or word '{word}'; {nearest(word, codes) or '`ftc rule` lists all'}"
    )


def _about(word: str, known: Iterable[Page]) -> list[Page]:
    """The rules of a group, or those that have a word in their name or on their page."""
    of_group = [page for page in known if page.group == word.lower()]
    begins = re.compile(rf"\b{re.escape(word)}", re.IGNORECASE)
    return of_group or [page for page in known if begins.search(f"{page.name} {page.title} {page.why}")]


def _listed(found: Iterable[Page]) -> str:
    from ftc.rules.pages import ORDER  # noqa: PLC0415 - the same

    ordered = sorted(found, key=lambda page: ORDER.index(page.group))
    groups = [(group, [*rows]) for group, rows in groupby(ordered, key=lambda page: page.group)]
    return "\n".join("".join((f"{group}:\n", *_rows(rows))) for group, rows in groups)


def _rows(found: list[Page]) -> Iterator[str]:
    wide = max(len(page.name) for page in found)
    for page in found:
        yield f"  {page.code}  {page.severity.value:7}  {page.name:{wide}}  {page.title}\n"
