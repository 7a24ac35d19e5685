"""The source line of a diagnostic, with carets, below the first line of the text."""

from __future__ import annotations

import time

import pytest

from ftc.diagnostics.model import Diagnostic, Position, Related, Severity
from ftc.diagnostics.render_text import render

LINES = {"run.yaml": ["nodes: 2", "storage: {kind: path}", "env:", "\tname: 中文 x", "  NAME: '中文' # and so on"]}


def rendered(diagnostic: Diagnostic, lines: dict[str, list[str]] = LINES) -> list[str]:
    """The lines below the first."""
    return render([diagnostic], lambda source: lines.get(source, [])).splitlines()[1:]


def at(line: int, column: int, path: tuple[str | int, ...] = ()) -> Diagnostic:
    return Diagnostic(code="FTC999", message="is wrong", path=path, position=Position("run.yaml", line, column))


def test_the_line_is_shown_with_a_caret_under_the_word() -> None:
    assert rendered(at(2, 11)) == [
        "  2 | storage: {kind: path}",
        "    |           ^^^^",
    ]


def test_related_keys_are_notes_and_the_help_comes_last() -> None:
    found = Diagnostic(
        code="FTC999",
        message="two are too many",
        path=("storage",),
        position=Position("run.yaml", 2, 1),
        help="use one",
        related=(
            Related(("nodes",), Position("run.yaml", 1, 1)),
            Related(("devices",), Position("devices=9")),
        ),
    )
    assert render([found], lambda source: LINES.get(source, [])) == (
        "run.yaml:2:1: error[FTC999]: storage: two are too many\n"
        "  2 | storage: {kind: path}\n"
        "    | ^^^^^^^\n"
        "  note: run.yaml:1:1: nodes is set here\n"
        "  1 | nodes: 2\n"
        "    | ^^^^^\n"
        "  note: override 'devices=9': devices is set here\n"
        "  help: use one\n"
    )


def test_the_caret_is_right_after_tabs_and_wide_characters() -> None:
    assert rendered(at(4, 8)) == [
        "  4 |     name: 中文 x",
        "    |           ^^^^",
    ]
    assert rendered(at(4, 11)) == [
        "  4 |     name: 中文 x",
        "    |                ^",
    ]
    assert rendered(at(5, 9)) == [
        "  5 |   NAME: '中文' # and so on",
        "    |         ^^^^^^",
    ]


@pytest.mark.parametrize(("line", "column"), [(6, 1), (99, 1)])
def test_a_missing_line_is_not_shown(line: int, column: int) -> None:
    assert rendered(at(line, column)) == []


def test_a_place_beyond_the_end_of_its_line_has_a_caret() -> None:
    assert rendered(at(1, 9)) == ["  1 | nodes: 2", "    |         ^"]
    assert rendered(at(1, 90)) == ["  1 | nodes: 2", "    |         ^"]


def test_the_number_of_the_line_moves_the_frame() -> None:
    lines = {"run.yaml": ["a: 1"] * 120}
    assert rendered(at(120, 1), lines) == ["  120 | a: 1", "      | ^"]


def test_a_long_line_is_cut_around_the_caret() -> None:
    lines = {"run.yaml": [f"a: [{'x, ' * 100}HERE, {'y, ' * 100}]"]}
    text, caret = rendered(at(1, 305), lines)
    assert text.startswith("  1 | … x, x, ")
    assert text.endswith("y, y…")
    assert len(text) <= len("  1 | ") + 100
    assert text[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_a_long_line_of_wide_characters_is_cut_too() -> None:
    text, caret = rendered(at(1, 300), {"run.yaml": ["中" * 500]})
    assert text.count("中") == 49
    assert set(caret.partition("| ")[2].strip()) == {"^"}
    assert len(caret) <= len("  1 | ") + 100


def test_a_long_line_keeps_its_beginning_if_the_caret_is_there() -> None:
    text, caret = rendered(at(1, 1), {"run.yaml": [f"name: {'x' * 500}"]})
    assert text.startswith("  1 | name: xxx")
    assert text.endswith("x…")
    assert caret == "    | ^^^^"


@pytest.mark.parametrize(
    ("override", "path", "carets"),
    [
        ("devices=9", ("devices",), "        ^"),
        ("hardware=asend", (), "         ^^^^^"),
        ("~nodes", (), "^^^^^^"),
        ("nodes", (), "^^^^^"),
        ("nodes=", ("nodes",), "^^^^^^"),
        ("pod={spec: {hostname: a}}", ("pod", "spec", "hostname"), "            ^^^^^^^^"),
        ("pod={a: {x: 1}, b: {x: 1}}", ("pod", "a", "x"), "    ^^^^^^^^^^^^^^^^^^^^^^"),
        ("env.NAME='中文'", ("env", "NAME"), "         ^^^^^^"),
    ],
)
def test_the_caret_of_an_override_is_under_its_value(override: str, path: tuple[str | int, ...], carets: str) -> None:
    found = Diagnostic(code="FTC999", message="is wrong", path=path, position=Position(override))
    assert rendered(found) == [f"   | {override}", f"   | {carets}"]


def test_the_caret_of_an_override_is_under_an_unknown_key() -> None:
    found = Diagnostic(code="FTC999", message="unknown", path=("a", "bcd"), position=Position("a.bcd=1"), at_key=True)
    assert rendered(found) == ["   | a.bcd=1", "   |   ^^^"]


def test_a_long_override_is_cut_in_both_lines() -> None:
    said = render([Diagnostic(code="FTC999", message="is wrong", position=Position(f"env.A={'x' * 1_000_000}"))])
    assert len(said) < 600
    assert said.startswith("override 'env.A=xxx")
    assert "…': error[FTC999]: is wrong\n" in said


def test_a_long_message_is_cut() -> None:
    assert len(render([Diagnostic(code="FTC999", message="x" * 1_000_000)])) < 700


HOSTILE = "a\x1b[31mred\x1b]0;title\x07\r\nb\x00\x7f\x9b2J\u202eevil\u2028c\udcff"


def test_user_text_is_escaped_for_the_terminal() -> None:
    found = Diagnostic(
        code="FTC999",
        message=f"is '{HOSTILE}'",
        path=("env", HOSTILE),
        position=Position(f"env.A={HOSTILE}"),
        help=HOSTILE,
        related=(Related(("b", HOSTILE), Position(f"env.B={HOSTILE}")), Related((), Position(HOSTILE, 1, 1))),
    )
    said = render([found], lambda _: [HOSTILE])
    lines = said.split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(["what", "line", "caret", "note", "note", "line", "caret", "help", "end"])
    assert "\\x1b[31mred" in said
    assert "\\u202eevil" in said


def test_colours_are_chosen_by_role() -> None:
    found = Diagnostic(code="FTC999", message="is odd", position=Position("a=1"), help="no", severity=Severity.WARNING)
    assert render([found], paint=lambda text, role: f"<{role}:{text}>") == (
        "override 'a=1': <warning:warning[FTC999]>: is odd\n"
        "<gutter:   |> a=1\n"
        "<gutter:   |> <warning:  ^>\n"
        "  <help:help>: no\n"
    )


@pytest.mark.parametrize(("path", "carets"), [(("a",), "^"), (("a", "bcd"), "  ^^^"), (("a", "bcd", "e"), "      ^")])
def test_the_caret_is_under_the_unknown_part_of_the_key(path: tuple[str, ...], carets: str) -> None:
    found = Diagnostic(code="FTC999", message="unknown", path=path, position=Position("a.bcd.e=1"), at_key=True)
    assert rendered(found) == ["   | a.bcd.e=1", f"   | {carets}"]


@pytest.mark.parametrize("text", ["sk-" * 300_000, "https://" * 100_000, "A_" * 500_000, "token=" * 100_000])
def test_a_text_of_a_megabyte_is_rendered_fast(text: str) -> None:
    found = Diagnostic(code="FTC999", message=text, path=("env", text), position=Position(f"env.A={text}"), help=text)
    in_file = Diagnostic(code="FTC999", message=text, position=Position("run.yaml", 1, len(text) // 2))
    began = time.process_time()
    said = render([found, in_file], lambda _: [text])
    assert time.process_time() - began < 5
    assert len(said) < 30_000
