"""Paths are parsed and written as people type them, and lead to the right values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftc.explain.paths import Found, Missing, find, parse, written

if TYPE_CHECKING:
    from ftc.diagnostics.model import KeyPath

POD = {"containers": [{"name": "train", "env": [{"name": "A", "value": "b"}]}], "labels": {"example.com/team": "a"}}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("containers[train].env[A]", ("containers", "train", "env", "A")),
        ('labels["example.com/team"]', ("labels", "example.com/team")),
        ("labels['example.com/team']", ("labels", "example.com/team")),
        ("labels[example.com/team]", ("labels", "example.com/team")),
        ("a.0.b", ("a", 0, "b")),
        ('a["0"]', ("a", "0")),
        ("42", (42,)),
        (".a.b", ("a", "b")),
    ],
)
def test_a_path_is_parsed(text: str, path: KeyPath) -> None:
    assert parse(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", "a[", "a]", "a[]", "a[0", "a[0]b", 'a["b', "a[0]]"])
def test_a_malformed_path_is_none(text: str) -> None:
    assert parse(text) is None


STEP = st.integers(0, 99) | st.text(st.characters(exclude_characters='"'), max_size=8)


@given(st.lists(STEP, min_size=1))
def test_a_written_path_is_parsed_again(path: KeyPath) -> None:
    assert parse(written(tuple(path))) == tuple(path)


def test_an_item_is_found_by_its_name() -> None:
    assert find(POD, ("containers", "train", "env", "A", "value")) == Found(("containers", 0, "env", 0, "value"), "b")


def test_a_missing_step_is_returned_with_the_existing_ones() -> None:
    assert find(POD, ("containers", "fetch")) == Missing(("containers",), "fetch", ("train",))
    assert find(POD, ("containers", 1)) == Missing(("containers",), 1, ("train",))
    assert find(POD, ("label",)) == Missing((), "label", ("containers", "labels"))
    assert find(POD, ("containers", 0, "name", "x")) == Missing(("containers", 0, "name"), "x", ())


def test_a_path_leads_into_an_embedded_file() -> None:
    carried = {"annotations": {"ftc.dev/train.yaml": "a: {b: 1.0e-4}\n", "ftc.dev/train.sh": "a: {b: 1}\n"}}
    assert find(carried, ("annotations", "ftc.dev/train.yaml", "a", "b")) == Found(
        ("annotations", "ftc.dev/train.yaml", "a", "b"), 1.0e-4
    )
    assert isinstance(find(carried, ("annotations", "ftc.dev/train.sh", "a")), Missing)
