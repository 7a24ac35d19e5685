"""Every rule on a page, as `ftc rule` prints it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftc.diagnostics.page import suppression
from ftc.rules.catalogue import ALIASES
from ftc.rules.pages import ORDER, with_example
from ftc.rules.pages import pages as written
from reference.markdown import code, fence, page, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diagnostics.page import Page

ABOUT = """
A rule has a code and a name; both work wherever a rule is expected: `ftc rule NAME`, `--ignore NAME`, `ignore: [NAME]`.
An error stops the compile; a warning does not, except with `--strict`.
"""


def pages() -> dict[str, str]:
    """The list of the rules by group, and a page for each."""
    known = written()
    ordered = sorted(known.values(), key=lambda one: ORDER.index(one.group))
    groups = [(group, list(found)) for group, found in groupby(ordered, key=lambda one: one.group)]
    sections = [f"## {group} {{ #{group} }}\n\n{_listed(found)}" for group, found in groups]
    old = f"## Old codes {{ #old-codes }}\n\n{_replaced(known)}"
    index = page(f"Rules ({len(known)})", ABOUT, *sections, old)
    return {"rules.md": index, **{f"rules/{one.code}.md": _rule(one) for one in known.values()}}


def _listed(found: Iterable[Page]) -> str:
    rows = [
        (
            f'<a id="{one.code}"></a><a id="{one.name}"></a>[{one.code}](rules/{one.code}.md)',
            code(one.name),
            one.severity.value,
            prose(one.title),
        )
        for one in found
    ]
    return table(("code", "name", "severity", "requirement"), rows)


def _replaced(known: dict[str, Page]) -> str:
    rows = [
        (f'<a id="{old}"></a>{old}', ", ".join(f"[{one} {known[one].name}](rules/{one}.md)" for one in new))
        for old, new in ALIASES.items()
    ]
    return table(("code", "replaced by"), rows)


def _rule(one: Page) -> str:
    old = [code for code, new in ALIASES.items() if one.code in new]
    about = f"[{one.group}](../rules.md#{one.group}) · {one.severity.value}"
    return page(
        f"{one.code} {one.name}",
        f"**{prose(one.title)}**",
        f"{about} · replaces {', '.join(old)}" if old else about,
        prose(one.why),
        f"Source: {prose(one.source)}" if one.source else "",
        *_examples(one),
        f"It applies only to {', '.join(f'`-t {name}`' for name in one.targets)}." if one.targets else "",
        suppression(one).replace(f"--ignore {one.name}", f"`--ignore {one.name}`"),
    )


def _examples(one: Page) -> list[str]:
    if one.wrong is not None and one.right is not None:
        pairs = (("Wrong", one.wrong), ("Right", one.right))
        return [f"{label}:\n\n{fence(f'{one.command} {example}'.rstrip())}" for label, example in pairs]
    text = with_example(one).example
    return [fence(text)] if text else []
