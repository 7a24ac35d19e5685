"""Differences for a terminal, and as JSON."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from ftc.diagnostics.columns import folded
from ftc.diagnostics.printable import as_json, escaped, inert, redacted, without_secrets
from ftc.diff.changes import Kind, named, plain, written
from ftc.diff.report import Status
from ftc.explain.artifact import ABSENT
from ftc.explain.paths import shown, shown_both

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
    return ("order: " if change.kind is Kind.MOVED else "") + " → ".join(value_texts(change))


def value_texts(change: Change) -> list[str]:
    """The values that exist, before and after, each on one line; for a text of several lines, their number."""
    path = named(change.address)
    sides = [value for value in (change.before, change.after) if value is not ABSENT]
    if any(isinstance(value, str) and "\n" in value for value in sides):
        return [_of_lines(value) or escaped(shown(path, value)) for value in sides]
    return [escaped(one) for one in (shown_both(path, *sides) if len(sides) > 1 else map(partial(shown, path), sides))]


def _of_lines(value: Any) -> str:
    return f"{len(value.splitlines())} lines" if isinstance(value, str) and "\n" in value else ""


def text_diff(change: Change) -> list[str] | None:
    """The lines that differ between two texts of several lines; None for other values."""
    before, after = change.before, change.after
    if not (isinstance(before, str) and isinstance(after, str) and "\n" in before + after):
        return None
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return [escaped(redacted(line)) for line in list(lines)[2:]]


def because(causes: Sequence[Cause]) -> list[str]:
    """The keys that caused a change, each with the place that sets it; of many, only the first ones."""
    first = [redacted(escaped(cause_text(cause))) for cause in causes[:_SHORT]]
    return first + ([f"and {len(causes) - _SHORT} more"] if len(causes) > _SHORT else [])


def cause_text(cause: Cause) -> str:
    """A key, and the places that set it before and after."""
    before, after = cause.before, cause.after
    if _LINE.sub("", before) == _LINE.sub("", after):  # only the line number differs
        before = ""
    places = [place for place in (before, after) if place]
    return f"{cause.key} ({' → '.join(places)})" if places else cause.key


def _of_line(line: str) -> str:
    return {"+": Kind.ADDED.value, "-": Kind.REMOVED.value}.get(line[:1], "cause")


def json_array(differences: Iterable[Difference], refused: Iterable[str] = ()) -> str:
    """Write all differences in full, and the runs that do not compile."""
    broken = [{"run": name, "status": "does not compile", "objects": [], "changes": []} for name in refused]
    return as_json([*broken, *map(_run_object, differences)]) + "\n"


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
