"""Differences for a terminal, as JSON, and as a comment on a pull request."""

from __future__ import annotations

import difflib
import html
import re
import sys
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from ftc.diagnostics.columns import folded
from ftc.diagnostics.printable import as_code, as_json, escaped, inert, redacted, without_secrets
from ftc.diff.changes import Kind, named, plain, written
from ftc.diff.report import Status
from ftc.explain.artifact import ABSENT
from ftc.explain.paths import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftc.diff.changes import Change
    from ftc.diff.report import Cause, Difference, Explained


Paint: TypeAlias = Callable[[str, str], str]
"""Colour a text for `head`, `cause`, or a kind of change."""
_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.MOVED: "~"}
_SHORT = 3
_INDENT, _LEAST = " " * 6, 40
_LINE = re.compile(r":[0-9]+$")


def text(differences: Iterable[Difference], paint: Paint = lambda text, _: text, columns: int | None = None) -> str:
    """Write one run after the other; values and causes are folded to the columns, but not the lines of texts."""
    room = max((columns or sys.maxsize) - len(_INDENT), _LEAST)
    return "".join(f"{inert(line)}\n" for one in differences for line in _run(one, paint, room))


def _run(difference: Difference, paint: Paint, room: int) -> Iterator[str]:
    if difference.name:
        yield paint(f"{escaped(difference.name)}: {difference.status}", "head")
    if difference.status is not Status.CHANGED:
        yield from (f"  {escaped(name)}" for name in difference.things)
    for thing, items in groupby(difference.changes, lambda one: one.thing):
        yield paint(escaped(thing), "head")
        for item in items:
            yield from _item(item, paint, room)


def _item(item: Explained, paint: Paint, room: int) -> Iterator[str]:
    change = item.change
    yield "  " + paint(f"{_SIGNS[change.kind]} {escaped(written(change.address) or item.thing)}", change.kind.value)
    text = text_diff(change)
    if text is not None:
        yield from (f"{_INDENT}{paint(line, _of_line(line))}" for line in text)
    else:
        yield from (f"{_INDENT}{line}" for line in folded(values(change), room, "  "))
    if item.causes:
        yield from (f"{_INDENT}{paint(line, 'cause')}" for line in folded("; ".join(because(item.causes)), room, "  "))


def values(change: Change) -> str:
    """The values before and after."""
    sides = [value_text(change, value) for value in (change.before, change.after) if value is not ABSENT]
    return ("order: " if change.kind is Kind.MOVED else "") + " → ".join(sides)


def value_text(change: Change, value: Any) -> str:
    """A value on one line; for a text of several lines, their number."""
    if isinstance(value, str) and "\n" in value:
        return f"{len(value.splitlines())} lines"
    return escaped(shown(named(change.address), value))


def text_diff(change: Change) -> list[str] | None:
    """The lines that differ between two texts of several lines; None for other values."""
    before, after = change.before, change.after
    if not (isinstance(before, str) and isinstance(after, str) and "\n" in before + after):
        return None
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return [escaped(redacted(line)) for line in list(lines)[2:]]


def because(causes: Sequence[Cause]) -> list[str]:
    """The keys that caused a change, each with the place that sets it; of many, only the first ones."""
    first = [redacted(escaped(_cause(cause))) for cause in causes[:_SHORT]]
    return first + ([f"and {len(causes) - _SHORT} more"] if len(causes) > _SHORT else [])


def _cause(cause: Cause) -> str:
    before, after = cause.before, cause.after
    if _LINE.sub("", before) == _LINE.sub("", after):  # only the line number differs
        before = ""
    places = [place for place in (before, after) if place]
    return f"{cause.key} ({' → '.join(places)})" if places else cause.key


def _of_line(line: str) -> str:
    return {"+": Kind.ADDED.value, "-": Kind.REMOVED.value}.get(line[:1], "cause")


def json_array(differences: Iterable[Difference]) -> str:
    """Write all differences in full."""
    return as_json([_run_object(one) for one in differences]) + "\n"


def _run_object(difference: Difference) -> dict[str, Any]:
    changes = [_change_object(item) for item in difference.changes]
    return {
        "run": difference.name,
        "status": difference.status.value,
        "objects": list(difference.things),
        "changes": changes,
    }


def _change_object(item: Explained) -> dict[str, Any]:
    change = item.change
    sides = {"before": change.before, "after": change.after}
    name = str(next(reversed(named(change.address)), ""))
    values = {side: without_secrets(value, name) for side, value in sides.items() if value is not ABSENT}
    causes = [{"key": one.key, "before": redacted(one.before), "after": redacted(one.after)} for one in item.causes]
    return {
        "object": item.thing,
        "path": written(change.address),
        "steps": list(plain(change.address)),
        "kind": change.kind.value,
        **values,
        "causes": causes,
    }


# GitHub accepts 65536 characters; the rest is left for the text around it.
LIMIT = 60_000
_HEAD = "| run | | added | removed | changed | by |\n| --- | --- | ---: | ---: | ---: | --- |\n"
_ROWS = 100
_LINES = 60
_LONGEST = 300
_NAME = 150
_NOTES = 20
_WORDS = re.compile(r"(?!.*www\.)[A-Za-z0-9 ,.;()-]*")


def markdown(
    differences: Sequence[Difference],
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    release: Sequence[str] = (),
) -> str:
    """Write the comment; if it would be too long, it says what is left out. It begins with a release of ftc."""
    said = _warnings(warnings) + _notes(notes)
    news = "".join(f"{_plain(_shortened(line))}\n\n" for line in release)
    if not differences:
        return f"{news}Nothing {'else ' if release else ''}changes on the cluster.\n{said}"
    head = f"{news}**{_count(len(differences), 'run')} changed on the cluster**\n\n"
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
    first = ", ".join(as_code(key) for key, _ in keys.most_common(3)) + (", …" if len(keys) > 3 else "")  # noqa: PLR2004
    numbers = (counts[Kind.ADDED], counts[Kind.REMOVED], counts[Kind.CHANGED] + counts[Kind.MOVED])
    cells = [as_code(_named(difference)), difference.status.value, *(str(n or "") for n in numbers), first]
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
    return f"\n{as_code(thing)}\n{table}" + "".join(_fence(one, diff) for one, diff in texts)


def _change(item: Explained) -> str:
    change = item.change
    sides = ["" if value is ABSENT else as_code(value_text(change, value)) for value in (change.before, change.after)]
    return f"| {as_code(written(change.address) or item.thing)} | {sides[0]} | {sides[1]} | {_because(item)} |\n"


def _because(item: Explained) -> str:
    return ", ".join(as_code(cause) for cause in because(item.causes))


def _fence(item: Explained, lines: Sequence[str]) -> str:
    """Fence a diff by more backticks than any run of them in it."""
    shown = [line[:_LONGEST] for line in lines[:_LINES]]
    more = f"\n… {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
    fence = "`" * max(3, 1 + max(len(run) for run in re.findall("`*", "\n".join(shown))))
    cause = f" ({_because(item)})" if item.causes else ""
    body = "\n".join(shown)
    return f"\n{as_code(written(item.change.address) or item.thing)}{cause}\n\n{fence}diff\n{body}{more}\n{fence}\n"


def _plain(text: str) -> str:
    """Escape markup, mentions and links in a text; GitHub looks for the last two after it has processed backslashes."""
    return text if _WORDS.fullmatch(text) else as_code(text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
