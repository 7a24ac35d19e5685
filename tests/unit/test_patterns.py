"""Regular expressions that are compiled when they are first used."""

from __future__ import annotations

import re

import pytest

from ftc.patterns import lazily


def test_a_pattern_is_that_of_re() -> None:
    pattern = lazily(r"(?P<word>[a-z]+) # a comment", re.VERBOSE | re.IGNORECASE)
    for _ in range(2):
        found = pattern.fullmatch("ABC")
        assert found is not None
        assert found["word"] == "ABC"
        assert pattern.sub("-", "a 1 B") == "- 1 -"
    assert pattern.groups == 1


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    pattern = lazily("(")
    with pytest.raises(re.error):
        pattern.search("a")
