"""Differences as a comment on a pull request: a table of the runs first, then each run to unfold."""

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

    from ftc.diff.report import Difference, Told

# GitHub takes 65536 characters; the rest is room for what stands around it.
LIMIT = 60_000
_HEAD = "| run | | added | removed | changed | by |\n| --- | --- | ---: | ---: | ---: | --- |\n"
_ROWS = 100
_LINES = 60
_LONGEST = 300
_NAME = 150
_NOTES = 20
_BAR = re.compile(r"(?<=\\)\|")
_WORDS = re.compile(r"(?!.*www\.)[A-Za-z0-9 ,.;()-]*")


def render(differences: Sequence[Difference], notes: Sequence[str] = ()) -> str:
    """The comment; it says what is left out if it would be too long."""
    said = _notes(notes)
    if not differences:
        return f"Nothing changes on the cluster.\n{said}"
    head = f"**{_count(len(differences), 'run')} changed on the cluster**\n\n"
    text = head + _table(differences) + said
    left_out = [one.name for one in differences if one.told]
    for difference in [one for one in differences if one.told]:
        section = _fitting(difference, LIMIT - len(text))
        if not section:
            break
        text += section
        left_out.remove(difference.name)
    if left_out:
        text += f"\nThe changes of {_count(len(left_out), 'more run')} do not fit into a comment: see `ftc diff`.\n"
    return text


def _notes(notes: Sequence[str]) -> str:
    more = [f"… and {len(notes) - _NOTES} more remarks: see `ftc diff`."] if len(notes) > _NOTES else []
    shown = [note if len(note) <= _LONGEST else f"{note[: _LONGEST - 1]}…" for note in notes[:_NOTES]]
    return "".join(f"\n{line}\n" for line in [*map(_plain, shown), *more])


def _table(differences: Sequence[Difference]) -> str:
    rows = [_row(one) for one in differences[:_ROWS]]
    more = f"\n… and {_count(len(differences) - _ROWS, 'more run')}.\n" if len(differences) > _ROWS else ""
    return _HEAD + "".join(rows) + more


def _row(difference: Difference) -> str:
    counts = Counter(told.change.kind for told in difference.told)
    keys = Counter(cause.key for told in difference.told for cause in told.causes)
    first = ", ".join(_code(key) for key, _ in keys.most_common(3)) + (", …" if len(keys) > 3 else "")  # noqa: PLR2004
    numbers = (counts[Kind.ADDED], counts[Kind.REMOVED], counts[Kind.CHANGED] + counts[Kind.MOVED])
    cells = [_code(_named(difference)), difference.status.value, *(str(n or "") for n in numbers), first]
    return f"| {' | '.join(cells)} |\n"


def _named(difference: Difference) -> str:
    name = difference.name or "run"
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _fitting(difference: Difference, room: int) -> str:
    """A run's changes, as many as there is room for; nothing where that is hardly any."""
    number = len(difference.told)
    while number:
        section = _section(difference, number)
        if len(section) <= room:
            return section
        number //= 2
    return ""


def _section(difference: Difference, number: int) -> str:
    title = f"<code>{html.escape(escaped(_named(difference)))}</code>"
    first, more = difference.told[:number], len(difference.told) - number
    body = "".join(_thing(thing, list(told)) for thing, told in groupby(first, lambda one: one.thing))
    rest = f"\n… and {_count(more, 'more change')}: see `ftc diff`.\n" if more else ""
    changes = _count(len(difference.told), "change")
    return f"\n<details><summary>{title}: {changes}</summary>\n{body}{rest}\n</details>\n"


def _thing(thing: str, told: Sequence[Told]) -> str:
    in_rows = [one for one in told if text_diff(one.change) is None]
    texts = [(one, diff) for one in told if (diff := text_diff(one.change)) is not None]
    head = "\n| path | before | after | because of |\n| --- | --- | --- | --- |\n"
    table = head + "".join(_change(one) for one in in_rows) if in_rows else ""
    return f"\n{_code(thing)}\n{table}" + "".join(_fence(one, diff) for one, diff in texts)


def _change(told: Told) -> str:
    change = told.change
    sides = ["" if value is ABSENT else _code(value_text(change, value)) for value in (change.before, change.after)]
    return f"| {_code(written(change.address) or told.thing)} | {sides[0]} | {sides[1]} | {_because(told)} |\n"


def _because(told: Told) -> str:
    return ", ".join(_code(cause) for cause in because(told.causes))


def _fence(told: Told, lines: Sequence[str]) -> str:
    """A fence is longer than any run of backticks in it."""
    shown = [line[:_LONGEST] for line in lines[:_LINES]]
    more = f"\n… {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
    fence = "`" * max(3, 1 + max(len(run) for run in re.findall("`*", "\n".join(shown))))
    cause = f" ({_because(told)})" if told.causes else ""
    body = "\n".join(shown)
    return f"\n{_code(written(told.change.address) or told.thing)}{cause}\n\n{fence}diff\n{body}{more}\n{fence}\n"


def _code(text: str) -> str:
    """A text as code, which has no markup, no mention and no link in it.

    In a cell of a table a bar would end it (GitHub Flavored Markdown, tables); a backslash before it could be read as
    the one that is escaped.
    """
    text = _BAR.sub(r"\\x7c", escaped(text)).replace("|", "\\|") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _plain(text: str) -> str:
    """A text in which nothing is markup, a mention or a link; GitHub looks for the last two after the backslashes."""
    return text if _WORDS.fullmatch(text) else _code(text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
