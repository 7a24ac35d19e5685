"""Text in the columns of a terminal."""

from __future__ import annotations

import pytest

from ftc.diagnostics.columns import folded, padded, width


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("数据", 4), ("数a", 3), ("e\u0301", 1)])
def test_a_wide_letter_takes_two_columns(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(padded(text, 9)) == 9


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("a b", 9, ["a b"]),
        ("a  b  c", 4, ["a  b", ">c"]),
        ("ab cdef", 5, ["ab", ">cdef"]),
        ("数据数据数据", 5, ["数据", ">数据", ">数据"]),
        ("a 数据数据", 6, ["a 数据", ">数据"]),
        ("  a b", 4, ["  a", ">b"]),
    ],
)
def test_a_line_is_broken_between_words_or_wide_letters(text: str, columns: int, lines: list[str]) -> None:
    assert folded(text, columns, ">") == lines
    assert max(map(width, lines)) <= columns


@pytest.mark.parametrize(
    ("text", "lines"),
    [("abcdef", ["abcdef"]), ("ab cdefgh i", ["ab", ">cdefgh", ">i"]), ("  abcdef", ["  abcdef"])],
)
def test_a_word_that_can_be_copied_stays_whole(text: str, lines: list[str]) -> None:
    assert folded(text, 4, ">") == lines
