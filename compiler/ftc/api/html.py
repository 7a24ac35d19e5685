"""Results as HTML for notebooks: readable with light and dark themes, and without the style sheet."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from ftc.api.texts import source_lines
from ftc.cluster.status import HEADER, cells
from ftc.diagnostics.model import dotted
from ftc.diagnostics.printable import escaped
from ftc.diagnostics.render_text import of_file, of_override
from ftc.diff.changes import Kind, written
from ftc.diff.render import because, text_diff, value_texts
from ftc.summary.render import sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftc.cluster.status import Run
    from ftc.diagnostics.model import Diagnostic, KeyPath, Position
    from ftc.diagnostics.render_text import Lines
    from ftc.diff.report import Difference, Explained
    from ftc.summary.render import Line
    from ftc.summary.types import DeviceMemory, Summary

# Colours of text are those of the theme; a coloured background has its own colour of text.
_STYLE = """<style>
.ftc { font-size: 13px; line-height: 1.5; max-width: 72em; overflow-wrap: anywhere; }
.ftc table { border-collapse: collapse; margin: 0; font-size: inherit; }
.ftc tr { background: none !important; }
.ftc th, .ftc td { text-align: left !important; vertical-align: top; padding: 2px 12px 2px 0; border: 0;
  white-space: normal; max-width: none; }
.ftc > table > tbody > tr > th, .ftc > table > tbody > tr > td { border-top: 1px solid rgba(127, 127, 127, .3); }
.ftc th { font-weight: 600; }
.ftc code, .ftc pre { background: none; color: inherit; font-size: 12px; }
.ftc pre { margin: 2px 0; padding: 4px 8px; overflow-x: auto; background: rgba(127, 127, 127, .12);
  white-space: pre; overflow-wrap: normal; }
.ftc p { margin: 0 0 2px; }
.ftc .finding { margin: 0 0 10px; }
.ftc .badge { border-radius: 3px; padding: 0 5px; color: #fff; background: #57606a; white-space: nowrap; }
.ftc .error, .ftc .removed { background: #b42318; }
.ftc .warning, .ftc .changed, .ftc .moved { background: #8a5a00; }
.ftc .note { background: #0b62c4; }
.ftc .added { background: #1a7f37; }
.ftc .bar { display: flex; height: 12px; max-width: 40em; margin: 4px 0; overflow: hidden; border-radius: 3px;
  background: rgba(127, 127, 127, .25); }
.ftc .swatch { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 4px; }
.ftc .legend span { margin-right: 12px; white-space: nowrap; }
.ftc summary { cursor: pointer; }
@media (max-width: 600px) {
  .ftc tr, .ftc th, .ftc td { display: block; padding-right: 0; }
  .ftc td td { display: inline; padding-right: 8px; }
  .ftc > table > tbody > tr > td { border-top: 0 !important; padding-bottom: 6px; }
}
</style>"""
# They differ in lightness too, for readers who do not tell the hues apart.
_COLOURS = ("#2f6fb0", "#e08a2e", "#4f9d5d", "#a3507f", "#7fb3d5", "#8c6d46", "#c9b037", "#6b6b6b")


def of_compiled(artifacts: Mapping[str, str], findings: Sequence[Diagnostic]) -> str:
    """The artifacts, folded, and the findings."""
    files = "".join(
        f"<details><summary><code>{_text(name)}</code></summary><pre>{_raw(text)}</pre></details>"
        for name, text in artifacts.items()
    )
    return _page(_findings(findings), files)


def of_plan(summary: Summary, findings: Sequence[Diagnostic]) -> str:
    """The sections as a table, with the memory of a device as a bar."""
    rows = [
        f"<tr><th>{label}</th><td>{_bar(summary.memory) if label == 'memory' else ''}{_lines(lines)}</td></tr>"
        for label, lines in sections(summary)
    ]
    return _page(f"<table><tbody>{''.join(rows)}</tbody></table>", _findings(findings))


def of_runs(runs: Iterable[Run], below: Iterable[str]) -> str:
    """The runs as a table, and sentences below it."""
    head = "".join(f"<th>{name}</th>" for name in HEADER)
    rows = "".join(_row(cells(one)) for one in runs)
    shown = f"<table><tbody><tr>{head}</tr>{rows}</tbody></table>"
    return _page(shown, "".join(f"<p>{_text(one)}</p>" for one in below))


def of_findings(findings: Sequence[Diagnostic], texts: Mapping[str, str] | None = None) -> str:
    """The findings; without any, a line that says so."""
    return _page(_findings(findings, texts) or "<p>No findings.</p>")


def of_diff(differences: Sequence[Difference], remarks: Sequence[str]) -> str:
    """A table of the changes of each object."""
    body = "".join(_difference(one) for one in differences) or "<p>Nothing differs.</p>"
    return _page(body, *(f"<p>{_text(remark)}</p>" for remark in remarks))


def of_text(text: str) -> str:
    """A text that is aligned by columns."""
    return _page(f"<pre>{_raw(text)}</pre>")


def _page(*parts: str) -> str:
    return f'{_STYLE}<div class="ftc">{"".join(parts)}</div>'


def _text(text: str) -> str:
    """Escape a text that a user wrote: no markup, nothing invisible."""
    return escape(escaped(text))


def _raw(text: str) -> str:
    """Escape a text of several lines."""
    return "\n".join(_text(line) for line in text.split("\n"))


def _lines(lines: Iterable[Line]) -> str:
    """Lines as paragraphs, rows that follow each other as a table."""
    found = []
    for is_line, some in groupby(lines, lambda line: isinstance(line, str)):
        rows = [f"<p>{_text(line)}</p>" if isinstance(line, str) else _row(line) for line in some]
        found.append("".join(rows) if is_line else f"<table><tbody>{''.join(rows)}</tbody></table>")
    return "".join(found)


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>"


def _bar(memory: DeviceMemory) -> str:
    """The terms of the estimate as parts of the device; nothing if the estimate or the device is unknown."""
    if not memory.total_mib or not memory.device_mib:
        return ""
    whole = max(memory.device_mib, memory.total_mib)
    terms = sorted(memory.terms_mib.items(), key=lambda term: -term[1])
    parts = [(name, mib, colour) for (name, mib), colour in zip(terms, _COLOURS, strict=False) if mib]
    spans = "".join(
        f'<span style="width: {100 * mib / whole:.1f}%; background: {colour}"></span>' for _, mib, colour in parts
    )
    names = "".join(
        f'<span><span class="swatch" style="background: {colour}"></span>{_text(name)}</span>'
        for name, _, colour in parts
    )
    return f'<div class="bar" aria-hidden="true">{spans}</div><p class="legend">{names}</p>'


def _findings(findings: Sequence[Diagnostic], texts: Mapping[str, str] | None = None) -> str:
    lines = source_lines(texts or {})
    return "".join(f'<div class="finding">{"".join(_finding(one, lines))}</div>' for one in findings)


def _finding(one: Diagnostic, lines: Lines) -> Iterator[str]:
    severity = one.severity.value
    what = f"<code>{_text(dotted(one.path))}</code>: " if one.path else ""
    head = f'<span class="badge {severity}">{severity}</span> <code>{_text(one.label)}</code>'
    yield f"<p>{head} {what}{_text(one.message)}</p>"
    if one.position:
        yield _place(one.position, one.path, lines, at_key=one.at_key)
    for other in one.related:
        yield f"<p><code>{_text(dotted(other.path))}</code> is set here:</p>"
        yield _place(other.position, other.path, lines)
    if one.help:
        yield f"<p><b>help</b>: {_text(one.help)}</p>"


def _place(position: Position, path: KeyPath, lines: Lines, *, at_key: bool = False) -> str:
    """The line of a file or the override, with carets under the place."""
    if position.line:
        excerpt = of_file(position, path, lines(position.source))
    else:
        excerpt = of_override(position, path, at_key=at_key)
    shown = f"<pre>{escape(excerpt.line)}\n{escape(excerpt.carets)}</pre>" if excerpt else ""
    return f"<p>{_text(str(position))}</p>{shown}" if position.line else shown


def _difference(difference: Difference) -> str:
    name = f"<p><b>{_text(difference.name)}</b>: {difference.status}</p>" if difference.name else ""
    things = "".join(f"<p><code>{_text(thing)}</code></p>" for thing in difference.things)
    objects = [
        f"<p><code>{_text(thing)}</code></p><table><tbody>{''.join(map(_change, items))}</tbody></table>"
        for thing, items in groupby(difference.changes, lambda one: one.thing)
    ]
    return f"{name}{things}{''.join(objects)}"


def _change(item: Explained) -> str:
    change = item.change
    sides = value_texts(change)
    lines = text_diff(change)
    order = "order: " if change.kind is Kind.MOVED else ""
    value = (
        f"<code>{order}{_text(' → '.join(sides))}</code>"
        if lines is None
        else f"<pre>{_raw(chr(10).join(lines))}</pre>"
    )
    cause = f"<p>because of {_text('; '.join(because(item.causes)))}</p>" if item.causes else ""
    kind = change.kind.value
    return (
        f'<tr><td><span class="badge {kind}">{kind}</span></td>'
        f"<td><code>{_text(written(change.address) or item.thing)}</code>{cause}</td><td>{value}</td></tr>"
    )
