"""Differences as a comment on a pull request: a table of the runs, then a section to unfold for each run."""

from __future__ import annotations

import html
import re
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from ftc.diagnostics.printable import escaped
from ftc.diff.changes import Kind, written
from ftc.diff.render_text import because, text_diff, value_text
from ftc.explain.artifact import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftc.diff.report import Difference, Explained

# GitHub accepts 65536 characters; the rest is left for the text around it.
LIMIT = 60_000
_HEAD = "| run | | added | removed | changed | by |\n| --- | --- | ---: | ---: | ---: | --- |\n"
_ROWS = 100
_LINES = 60
_LONGEST = 300
_NAME = 150
_NOTES = 20
_BAR = re.compile(r"(?<=\\)\|")
_WORDS = re.compile(r"(?!.*www\.)[A-Za-z0-9 ,.;()-]*")


def render(differences: Sequence[Difference], notes: Sequence[str] = (), warnings: Sequence[str] = ()) -> str:
    """Write the comment; if it would be too long, it says what is left out."""
    said = _warnings(warnings) + _notes(notes)
    if not differences:
        return f"Nothing changes on the cluster.\n{said}"
    head = f"**{_count(len(differences), 'run')} changed on the cluster**\n\n"
    text = head + _table(differences) + said
    left_out = [one.name for one in differences if one.changes]
    for difference in [one for one in differences if one.changes]:
        section = _fitting(difference, LIMIT - len(text))
        if not section:
            break
        text += section
        left_out.remove(difference.name)
    if left_out:
        text += f"\nThe changes of {_count(len(left_out), 'more run')} do not fit into a comment: see `ftc diff`.\n"
    return text


def _warnings(warnings: Sequence[str]) -> str:
    shown = "".join(f"- {_plain(_shortened(one))}\n" for one in warnings[:_NOTES])
    more = len(warnings) - _NOTES
    rest = f"- … and {_count(more, 'more warning')}: see `ftc diff`.\n" if more > 0 else ""
    return f"\n**{_count(len(warnings), 'warning')}**\n\n{shown}{rest}" if warnings else ""


def _notes(notes: Sequence[str]) -> str:
    more = [f"… and {len(notes) - _NOTES} more remarks: see `ftc diff`."] if len(notes) > _NOTES else []
    return "".join(f"\n{line}\n" for line in [*(_plain(_shortened(note)) for note in notes[:_NOTES]), *more])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _table(differences: Sequence[Difference]) -> str:
    rows = [_row(one) for one in differences[:_ROWS]]
    more = f"\n… and {_count(len(differences) - _ROWS, 'more run')}.\n" if len(differences) > _ROWS else ""
    return _HEAD + "".join(rows) + more


def _row(difference: Difference) -> str:
    counts = Counter(item.change.kind for item in difference.changes)
    keys = Counter(cause.key for item in difference.changes for cause in item.causes)
    first = ", ".join(_code(key) for key, _ in keys.most_common(3)) + (", …" if len(keys) > 3 else "")  # noqa: PLR2004
    numbers = (counts[Kind.ADDED], counts[Kind.REMOVED], counts[Kind.CHANGED] + counts[Kind.MOVED])
    cells = [_code(_named(difference)), difference.status.value, *(str(n or "") for n in numbers), first]
    return f"| {' | '.join(cells)} |\n"


def _named(difference: Difference) -> str:
    name = difference.name or "run"
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _fitting(difference: Difference, room: int) -> str:
    """As many of a run's changes as fit; nothing if hardly any do."""
    number = len(difference.changes)
    while number:
        section = _section(difference, number)
        if len(section) <= room:
            return section
        number //= 2
    return ""


def _section(difference: Difference, number: int) -> str:
    title = f"<code>{html.escape(escaped(_named(difference)))}</code>"
    first, more = difference.changes[:number], len(difference.changes) - number
    body = "".join(_thing(thing, list(items)) for thing, items in groupby(first, lambda one: one.thing))
    rest = f"\n… and {_count(more, 'more change')}: see `ftc diff`.\n" if more else ""
    changes = _count(len(difference.changes), "change")
    return f"\n<details><summary>{title}: {changes}</summary>\n{body}{rest}\n</details>\n"


def _thing(thing: str, items: Sequence[Explained]) -> str:
    in_rows = [one for one in items if text_diff(one.change) is None]
    texts = [(one, diff) for one in items if (diff := text_diff(one.change)) is not None]
    head = "\n| path | before | after | because of |\n| --- | --- | --- | --- |\n"
    table = head + "".join(_change(one) for one in in_rows) if in_rows else ""
    return f"\n{_code(thing)}\n{table}" + "".join(_fence(one, diff) for one, diff in texts)


def _change(item: Explained) -> str:
    change = item.change
    sides = ["" if value is ABSENT else _code(value_text(change, value)) for value in (change.before, change.after)]
    return f"| {_code(written(change.address) or item.thing)} | {sides[0]} | {sides[1]} | {_because(item)} |\n"


def _because(item: Explained) -> str:
    return ", ".join(_code(cause) for cause in because(item.causes))


def _fence(item: Explained, lines: Sequence[str]) -> str:
    """Fence a diff by more backticks than any run of them in it."""
    shown = [line[:_LONGEST] for line in lines[:_LINES]]
    more = f"\n… {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
    fence = "`" * max(3, 1 + max(len(run) for run in re.findall("`*", "\n".join(shown))))
    cause = f" ({_because(item)})" if item.causes else ""
    body = "\n".join(shown)
    return f"\n{_code(written(item.change.address) or item.thing)}{cause}\n\n{fence}diff\n{body}{more}\n{fence}\n"


def _code(text: str) -> str:
    """Format a text as code, which cannot contain markup, mentions or links.

    A bar would end a cell of a table (GitHub Flavored Markdown, tables), even after a backslash that is itself
    escaped.
    """
    text = _BAR.sub(r"\\x7c", escaped(text)).replace("|", "\\|") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _plain(text: str) -> str:
    """Escape markup, mentions and links in a text; GitHub looks for the last two after it has processed backslashes."""
    return text if _WORDS.fullmatch(text) else _code(text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
