"""`ftc rule`."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

import click
import msgspec

from ftc.cli.options import data_format, not_empty, refuse
from ftc.cli.terminal import columns, rows, show
from ftc.diagnostics.columns import folded
from ftc.diagnostics.model import nearest
from ftc.diagnostics.printable import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.page import Page


@click.command("rule")
@click.argument("words", nargs=-1, type=not_empty, metavar="[RULE|WORD]...")
@data_format
def command(words: tuple[str, ...], *, is_json: bool) -> None:
    """Print the page of each RULE, a name or a code: the requirement, the reason, and a correct example.

    Without RULE, list all rules by group. A WORD that is not a rule lists the rules of that group, or those whose pages
    contain the word.

    \b
      ftc rule
      ftc rule FTC301
      ftc rule neat-packing-needs-batch-size-1 FTC301
      ftc rule memory
    """
    from ftc.rules.pages import pages, with_example  # noqa: PLC0415 - every rule, which `ftc rule --help` need not load

    known = pages()
    found = [_found(word, known) for word in words]
    if is_json:
        every = [page for some in found for page in some] if words else list(known.values())
        click.echo(as_json([msgspec.to_builtins(with_example(page)) for page in every]))
        return
    shown = [_shown(word, pages) for word, pages in zip(words, found, strict=True)] or [_listed(known.values())]
    for number, lines in enumerate(shown):
        show([*([""] if number else []), *lines])


def _found(word: str, known: dict[str, Page]) -> list[Page]:
    """The page of a rule, the rules that replaced an old code, or those whose pages contain a word."""
    from ftc.rules.catalogue import ALIASES  # noqa: PLC0415 - the same

    codes = {page.name: code for code, page in known.items()}
    code = codes.get(word.lower()) or (f"FTC{word}" if word.isdecimal() else word.upper())
    if code in known:
        return [known[code]]
    if code in ALIASES:
        return [known[one] for one in ALIASES[code]]
    if code.startswith("FTC"):
        refuse(f"unknown code '{word}'; {nearest(code, known) or '`ftc rule` lists all'}")
    return _about(word, known.values()) or refuse(
        f"unknown rule or word '{word}'; {nearest(word, codes) or '`ftc rule` lists all'}"
    )


def _shown(word: str, found: list[Page]) -> Iterator[str]:
    from ftc.rules.catalogue import ALIASES  # noqa: PLC0415 - the same

    code = f"FTC{word}" if word.isdecimal() else word.upper()
    if code in ALIASES:
        yield from (f"{code} was replaced by:", "")
        yield from _rows(found)
    elif len(found) == 1 and (found[0].name == word.lower() or found[0].code == code):
        yield from _page(found[0])
    else:
        yield from _listed(found)


def _page(page: Page) -> Iterator[str]:
    """The page, with its prose folded to the terminal; examples keep their lines."""
    from ftc.diagnostics.page import render  # noqa: PLC0415 - the same
    from ftc.rules.pages import with_example  # noqa: PLC0415 - the same

    shown = with_example(page)
    most = columns()
    for number, paragraph in enumerate(render(shown).rstrip("\n").split("\n\n")):
        yield from [""] if number else []
        lines = paragraph.split("\n")
        is_kept = most is None or paragraph in (shown.example or "") or paragraph.startswith("Wrong:")
        yield from lines if is_kept or most is None else folded(" ".join(lines), most)


def _about(word: str, known: Iterable[Page]) -> list[Page]:
    """The rules of a group, or those that have a word in their name or on their page."""
    of_group = [page for page in known if page.group == word.lower()]
    begins = re.compile(rf"\b{re.escape(word)}", re.IGNORECASE)
    return of_group or [page for page in known if begins.search(f"{page.name} {page.title} {page.why}")]


def _listed(found: Iterable[Page]) -> Iterator[str]:
    from ftc.rules.pages import ORDER  # noqa: PLC0415 - the same

    ordered = sorted(found, key=lambda page: ORDER.index(page.group))
    for number, (group, some) in enumerate(groupby(ordered, key=lambda page: page.group)):
        yield from ("",) if number else ()
        yield f"{group}:"
        yield from _rows(list(some))


def _rows(found: list[Page]) -> Iterator[str]:
    cells = [(page.code, page.severity.value, page.name, page.title) for page in found]
    yield from rows(cells, ("label", "1", "name"), indent="  ")
