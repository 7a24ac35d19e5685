"""Every format renders a diagnostic with any text, and no line of it harms a terminal or a workflow."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ftc.diagnostics import formats, render_text
from ftc.diagnostics.model import Diagnostic, Position, Related
from ftc.rules.pages import of_compile

PAGES = of_compile()
# Surrogates too: they represent the bytes of a command line that are not UTF-8.
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=200) | st.sampled_from(
    [
        "a=" + "x" * 300,
        "\t中\t",
        "a: {b: c}",
        "'" * 9,
        "- --token",
        "name: A_TOKEN",
        "value: abcdefgh",
        "=",
        "~a",
        "a.b[0].c=d",
    ]
)
PATHS = st.lists(TEXTS | st.integers(0, 9), max_size=4).map(tuple)
IN_FILE = st.builds(Position, TEXTS, st.integers(1, 4), st.integers(1, 400))
POSITIONS = IN_FILE | st.builds(Position, TEXTS)
DIAGNOSTICS = st.builds(
    Diagnostic,
    code=st.sampled_from(sorted(PAGES)),
    message=TEXTS,
    path=PATHS,
    position=POSITIONS | st.none(),
    help=TEXTS,
    related=st.lists(st.builds(Related, PATHS, POSITIONS), max_size=2).map(tuple),
    at_key=st.booleans(),
)


def is_harmless(line: str) -> bool:
    return all(letter.isprintable() or unicodedata.category(letter) == "Zs" for letter in line)


@given(st.lists(DIAGNOSTICS, max_size=3), st.lists(TEXTS, min_size=3, max_size=3))
def test_text_output_has_only_harmless_lines(found: list[Diagnostic], lines: list[str]) -> None:
    said = render_text.render(found, lambda _: lines)
    assert all(is_harmless(line) for line in said.split("\n"))
    assert said.endswith("\n") == bool(found)
    assert len(said.split("\n")) <= 1 + 10 * len(found)


@given(st.lists(DIAGNOSTICS, max_size=3))
def test_machine_formats_are_valid(found: list[Diagnostic]) -> None:
    rows = json.loads(formats.json_array(found))
    assert {row["code"] for row in rows} == {diagnostic.code for diagnostic in found}
    (run,) = json.loads(formats.sarif(found, PAGES))["runs"]
    assert len(run["results"]) == len(rows)
    commands = formats.github_commands(found).split("\n")[:-1]
    assert len(commands) == len(rows)
    assert all(command.startswith("::error ") and is_harmless(command) for command in commands)
