"""Differences as a comment on a pull request: tables to read in ten seconds, and everything else folded."""

from __future__ import annotations

import html
import re
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.diagnostics.model import Severity, by_finding, dotted
from ftc.diagnostics.printable import as_code, escaped, redacted
from ftc.diff.changes import written
from ftc.diff.gist import FACTS, facts, keys, summary_of
from ftc.diff.render import cause_text, text_diff, value_texts
from ftc.diff.report import FTC, Status
from ftc.explain.artifact import ABSENT
from ftc.explain.paths import shown, shown_both
from ftc.summary.mermaid import mermaid

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic, KeyPath
    from ftc.diff.changes import Change
    from ftc.diff.report import Cause, Difference, Explained

    _Findings = Mapping[str, tuple[Diagnostic, ...]]

# GitHub accepts 65536 characters; the rest is left for the text around it.
LIMIT = 60_000
_ROWS = 40
_CHANGES = 150
_LINES = 60
_LONGEST = 300
_NAME = 80
_NAMED = 4
_FINDINGS = 20
_CAUSES = 3
_POD = re.compile(r"^spec\..*\btemplate\.spec\.")
_VERBS = {
    Status.CHANGED: ("changes on the cluster", "change on the cluster"),
    Status.ADDED: ("is added", "are added"),
    Status.REMOVED: ("is removed", "are removed"),
}


class Judged(msgspec.Struct, frozen=True):
    """The warnings of runs before and after, the errors of those that do not compile, and the number of all runs.

    The lines of `release` say what another release of ftc changes in them.
    """

    before: _Findings = {}
    after: _Findings = {}
    refused: _Findings = {}
    runs: int = 1
    release: tuple[str, ...] = ()


def markdown(differences: Sequence[Difference], notes: Sequence[str] = (), judged: Judged | None = None) -> str:
    """Write the comment; if it would be too long, it says how many runs are left out."""
    judged = judged or Judged()
    text = f"{_news(judged.release)}{_headline(differences, judged)}\n{_refused(judged.refused)}{_warnings(judged)}"
    text += _facts(differences) + _keys(differences) + _notes(notes)
    left_out = 0
    for alike in _grouped(differences, _effect):
        section = _section(alike)
        if len(text) + len(section) <= LIMIT:
            text += section
        else:
            left_out += len(alike)
    rest = f"\nThe changes of {_count(left_out, 'run')} do not fit into a comment: see `ftc diff`.\n"
    return text + rest if left_out else text


def _news(release: Sequence[str]) -> str:
    """The line about a release of ftc, and the words of the changelog as a list."""
    parts = ["".join(f"{_words(one)}\n" for one in release[:1])]
    parts += ["".join(f"- {_words(one.removeprefix('- '))}\n" for one in release[1:])]
    return "".join(f"{part}\n" for part in parts if part)


def _headline(differences: Sequence[Difference], judged: Judged) -> str:
    counts = Counter(one.status for one in differences)
    numbers = [(counts[status], verbs) for status, verbs in _VERBS.items()]
    numbers.append((len(judged.refused), ("does not compile", "do not compile")))
    parts = [f"{number} {verbs[number > 1]}" for number, verbs in numbers if number]
    if not parts:
        return f"Nothing {'else ' if judged.release else ''}changes on the cluster."
    first, *rest = parts
    number, verb = first.split(" ", 1)
    of = f"{number} of {judged.runs} runs" if judged.runs > 1 else _count(int(number), "run")
    return f"**{', '.join([f'{of} {verb}', *rest])}**"


def _refused(refused: _Findings) -> str:
    verb = "does" if len(refused) == 1 else "do"
    errors = {name: tuple(one for one in found if one.severity is Severity.ERROR) for name, found in refused.items()}
    return _alert("CAUTION", f"{_count(len(refused), 'run')} {verb} not compile", by_finding(errors))


def _warnings(judged: Judged) -> str:
    """The warnings that the base does not have; the others are counted."""
    known = {(name, _said(one)) for name, found in judged.before.items() for one in found}
    new = {name: tuple(one for one in found if (name, _said(one)) not in known) for name, found in judged.after.items()}
    fresh = by_finding(new)
    old = len(by_finding(judged.after).keys() - fresh.keys())
    rest = f"\n{_count(old, 'warning')} as before: see `ftc diff`.\n" if old else ""
    return _alert("WARNING", _count(len(fresh), "new warning"), fresh) + rest


def _said(one: Diagnostic) -> Hashable:
    """A finding without its place, which an edit of other lines moves."""
    return one.code, one.path, one.message


def _alert(kind: str, title: str, found: Mapping[Diagnostic, Sequence[str]]) -> str:
    """A colored box, which other servers than GitHub and GitLab show as a quotation."""
    lines = [f"- {_names(names)}: {_finding(one)}" for one, names in list(found.items())[:_FINDINGS]]
    more = len(found) - _FINDINGS
    rest = [f"- and {more} more: see `ftc diff`"] if more > 0 else []
    shown = map(_outside_of_tables, (f"[!{kind}]", f"**{title}**", "", *lines, *rest))
    return "\n" + "".join(f"> {line}\n" for line in shown) if found else ""


def _finding(one: Diagnostic) -> str:
    place = f", {as_code(_cut(str(one.position)))}" if one.position else ""
    key = f"{as_code(dotted(one.path))}: " if one.path else ""
    help_ = f"<br>{_words(one.help)}" if one.help else ""
    return f"{key}{_words(one.message)}{help_}<br>{as_code(one.label)}{place}"


def _facts(differences: Sequence[Difference]) -> str:
    """A row for the runs that have the same facts before and after; the columns in which any of them differ."""
    rows = [(some, *_row(some[0])) for some in _grouped(differences, _row)]
    moved = [row for row in rows if row[1] is not Status.CHANGED or row[2] != row[3]]
    names = [name for name in FACTS if any(before.get(name) != after.get(name) for _, _, before, after in moved)]
    cells = [
        [f"{_names([one.name for one in some])}{_badge(status)}", *(_sides(before, after, name) for name in names)]
        for some, status, before, after in moved
    ]
    table = _table(["run", *names], cells)
    same = [one.name for row in rows if row not in moved and row[2] for one in row[0]]
    unchanged = f"\n{_outside_of_tables(_names(same))}: {', '.join(FACTS[:-1])} and {FACTS[-1]} stay the same.\n"
    return table + (unchanged if same else "")


def _row(one: Difference) -> tuple[Status, dict[str, str], dict[str, str]]:
    return one.status, facts(one.before), facts(one.after)


def _badge(status: Status) -> str:
    return "" if status is Status.CHANGED else f" **{status.value}**"


def _sides(before: Mapping[str, str], after: Mapping[str, str], name: str) -> str:
    """Both values, or one if they are equal; a unit that they share is written once."""
    if not before or not after:
        return _words((before or after)[name]) if name in before or name in after else ""
    old, new = before.get(name, "unknown"), after.get(name, "unknown")
    if old == new:
        return _words(new) if name in after else ""
    number, _, unit = old.rpartition(" ")
    first = number if new.endswith(f" {unit}") and number[-1:].isdigit() and ")" not in unit else old
    return f"{_words(first)} → {_words(new)}"


def _keys(differences: Sequence[Difference]) -> str:
    """A row for keys that differ alike, such as one that refers to another; with their runs unless all have them."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for one in differences:
        for row in _key_rows(one):
            found.setdefault(row, {})[one.name] = None
    changed = sum(one.status is Status.CHANGED for one in differences)
    rows = [[*row, f"all {changed}" if len(runs) == changed else _names(list(runs))] for row, runs in found.items()]
    head = ["key", "before", "after", "set by", "runs"]
    same = all(len(runs) == changed for runs in found.values())
    return _table(head[:-1] if same else head, [row[:-1] for row in rows] if same else rows)


def _key_rows(one: Difference) -> Iterator[tuple[str, ...]]:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for key in keys(one):
        before, after = _both((key.name,), *key[1:3])
        place = _words(key.place) if key.place else ""
        alike.setdefault((before, after, place), []).append(key.name)
    for sides, names in alike.items():
        several = [names] if sides[-1] else [[name] for name in names]
        yield from ((_names(some), *sides) for some in several)


def _both(path: KeyPath, before: Any, after: Any) -> tuple[str, str]:
    if before is ABSENT or after is ABSENT:
        sides = ["" if value is ABSENT else shown(path, value) for value in (before, after)]
    else:
        sides = [*shown_both(path, before, after)]
    old, new = (as_code(one) if one else "" for one in sides)
    return old, new


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows[:_ROWS]]
    more = f"\nand {_count(len(rows) - _ROWS, 'more row')}: see `ftc diff`\n" if len(rows) > _ROWS else ""
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + more


def _notes(notes: Sequence[str]) -> str:
    more = [f"and {_count(len(notes) - _FINDINGS, 'more remark')}: see `ftc diff`"] if len(notes) > _FINDINGS else []
    lines = map(_outside_of_tables, [*(_words(note) for note in notes[:_FINDINGS]), *more])
    return "".join(f"\n{line}\n" for line in lines)


def _grouped(differences: Sequence[Difference], alike: Callable[[Difference], Any]) -> list[list[Difference]]:
    """Runs with something in common; the largest groups first."""
    found: dict[Any, list[Difference]] = {}
    for one in differences:
        found.setdefault(repr(alike(one)), []).append(one)
    return sorted(found.values(), key=lambda some: -len(some))


def _effect(one: Difference) -> Any:
    """The changes of a run, without the names of its objects."""
    return one.status, [(_kind(item.thing), item.change, item.causes) for item in one.changes] or _graph(one)


def _kind(thing: str) -> str:
    return thing.partition("/")[0]


def _graph(one: Difference) -> str:
    """The graph of a run, if it is new or differs from the one before."""
    before, after = (summary_of(side) for side in (one.before, one.after))
    if after is None:
        return ""
    text = mermaid(after)
    return "" if before and mermaid(msgspec.structs.replace(before, name=after.name)) == text else text


def _section(alike: Sequence[Difference]) -> str:
    first, graph = alike[0], _graph(alike[0])
    drawn = f"\n```mermaid\n{graph}```\n" if graph else ""
    title = _title([one.name for one in alike])
    folded = _folded(f"Graph of {title}", drawn) if drawn else ""
    changes = _unlisted(first)
    if not changes:
        return folded
    some, more = changes[:_CHANGES], len(changes) - _CHANGES
    body = "".join(_thing(thing, list(items)) for thing, items in groupby(some, lambda one: one.thing))
    rest = f"\nand {_count(more, 'more change')}: see `ftc diff`\n" if more > 0 else ""
    each = "in each of" if len(alike) > 1 else "in"
    return folded + _folded(f"{_count(len(changes), 'change')} {each} {title}", body + rest)


def _unlisted(one: Difference) -> list[Explained]:
    """The changes that do not repeat a row of the table of keys, as an argument in train.yaml does."""
    listed = [(key.name.rpartition(".")[2], key.before, key.after) for key in keys(one)]
    return [item for item in one.changes if (_last(item.change), item.change.before, item.change.after) not in listed]


def _last(change: Change) -> str:
    return str(change.address[-1]) if change.address else ""


def _folded(title: str, body: str) -> str:
    return f"\n<details><summary>{title}</summary>\n{body}\n</details>\n"


def _title(names: Sequence[str]) -> str:
    shown = [f"<code>{html.escape(escaped(_cut(name or 'the run', _NAME)))}</code>" for name in names[:_NAMED]]
    return _listed(shown, len(names))


def _names(names: Sequence[str]) -> str:
    return _listed([as_code(_cut(name, _NAME)) if name else "the run" for name in names[:_NAMED]], len(names))


def _listed(some: Sequence[str], number: int) -> str:
    return ", ".join(some) + (f" and {number - len(some)} more" if number > len(some) else "")


def _thing(thing: str, items: Sequence[Explained]) -> str:
    in_rows = [one for one in items if text_diff(one.change) is None]
    texts = [(one, diff) for one in items if (diff := text_diff(one.change)) is not None]
    rows = [_change(one) for one in in_rows]
    head = "\n| path | before | after | because of |\n| --- | --- | --- | --- |\n"
    table = head + "".join(rows) if rows else ""
    return f"\n{as_code(thing)}\n{table}" + "".join(_fence(one, diff) for one, diff in texts)


def _change(item: Explained) -> str:
    change = item.change
    both = [as_code(one) for one in value_texts(change)]
    sides = [*([""] if change.before is ABSENT else []), *both, ""]
    path = _POD.sub("pod: ", written(change.address)) or item.thing
    return f"| {as_code(path)} | {sides[0]} | {sides[1]} | {_because(item.causes)} |\n"


def _because(causes: Sequence[Cause]) -> str:
    """The keys that caused a change; the table of keys has their places."""
    first = [as_code(redacted(cause_text(one) if one.key == FTC else one.key)) for one in causes[:_CAUSES]]
    return _listed(first, len(causes))


def _fence(item: Explained, lines: Sequence[str]) -> str:
    """Fence a diff by more backticks than any run of them in it."""
    shown = [line[:_LONGEST] for line in lines[:_LINES]]
    more = f"\n… {len(lines) - _LINES} more lines" if len(lines) > _LINES else ""
    fence = "`" * max(3, 1 + max(len(run) for run in re.findall("`*", "\n".join(shown))))
    cause = f" ({_because(item.causes)})" if item.causes else ""
    body = "\n".join(shown)
    return f"\n{as_code(written(item.change.address) or item.thing)}{cause}\n\n{fence}diff\n{body}{more}\n{fence}\n"


# Words and numbers, which no server reads as markup, a mention, a reference (GH-1) or a link.
_WORD = r"\(?(?:[A-Za-z]+(?:-[A-Za-z]+)*|[0-9]{1,6}(?:[.,][0-9]{1,6})*|→)\)?[,.;:]?"
_WORDS = re.compile(rf"{_WORD}(?: {_WORD})*")
# A text and the punctuation that ends it.
_ENDED = re.compile(r"(.*?[^,;:?])([,;:?]*)(?: |$)")


_SPAN = re.compile("`([^`]+)`")


def _words(text: str) -> str:
    """Write a text with all but plain words as code, without markup, mentions or links; code in it stays code.

    GitHub looks for mentions and links after it has processed backslashes and entities.
    """
    pieces = _SPAN.split(_cut(redacted(text)))
    return "".join(as_code(piece) if index % 2 else _outside_of_code(piece) for index, piece in enumerate(pieces))


def _outside_of_code(text: str) -> str:
    """Write a text as plain words and code; it may begin with the punctuation after other code."""
    end = len(text) - len(text.lstrip(",.;:?) "))
    tokens = [one for one in text[end:].split(" ") if one]
    parts = [(safe, " ".join(some)) for safe, some in groupby(tokens, lambda one: bool(_WORDS.fullmatch(one)))]
    written = " ".join(part if safe else _codes(part) for safe, part in parts)
    return text[:end] + written + (" " if written and text.endswith(" ") else "")


def _codes(text: str) -> str:
    """Write a text as code up to each punctuation mark, which stays outside: `a`, `b`."""
    found = [as_code(code) + end for code, end in _ENDED.findall(text)]
    return " ".join(found) or as_code(text)


def _outside_of_tables(line: str) -> str:
    """Without the backslash before a bar, which only a table needs; outside of one, GitHub shows it."""
    return line.replace("\\|", "|")


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
