"""A placeholder is unknown wherever it is, and so is everything that depends on it."""

from __future__ import annotations

import pytest

from ftc.source.unknown import Fields, Unknown, fields, has_placeholder


@pytest.mark.parametrize("text", ["${X}", "$X", "a/$(cmd)/b", "{{ .Values.x }}", "pre-{{x}}", "{% if a %}", "${X:-8}"])
def test_what_another_program_fills_in_is_a_placeholder(text: str) -> None:
    assert has_placeholder(text)


@pytest.mark.parametrize("text", ["", "plain", "5 $", "100$ a month", "{x}", "}} {", "a$"])
def test_a_dollar_or_a_brace_alone_is_text(text: str) -> None:
    assert not has_placeholder(text)


DATA = {"a": 1, "b": "${B}", "c": ["x", "$Y"], "d": {"e": "{{ e }}", "f": 2}, "g": None}


def test_a_hidden_value_is_asked_for_in_vain() -> None:
    given = fields(DATA, has_placeholder)
    assert (given["a"], given.get("g", "default"), given.get("other", 3)) == (1, None, 3)
    assert "b" in given
    assert "other" not in given
    for key in ("b", "c"):
        assert not given.tells(key)
        with pytest.raises(Unknown):
            given.get(key)
    assert given["d"]["f"] == 2
    with pytest.raises(Unknown):
        given["d"]["e"]
    assert sorted(given.written()) == ["a", "b", "c", "d", "g"]


def test_a_mapping_with_a_key_that_is_not_given_may_have_any_other() -> None:
    given = fields({"$NAME": 1, "a": 2}, has_placeholder)
    assert given["a"] == 2
    with pytest.raises(Unknown):
        given.get("b")
    with pytest.raises(Unknown):
        _ = "b" in given


def test_a_key_that_is_missing_is_missing() -> None:
    with pytest.raises(KeyError):
        Fields({"a": 1})["b"]
