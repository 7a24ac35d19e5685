"""The place in the file of the characters of a scalar, in every style."""

from __future__ import annotations

import pytest

from ftc.manifests.text import Text
from ftc.source import documents

STYLES = {
    "literal": "a:\n  script: |\n    one two\n\n      three\n",
    "literal with an indicator": "a:\n  script: |2-\n      one two\n\n     three\n",
    "folded": "a:\n  script: >\n    one\n    two\n    three\n",
    "plain": "a:\n  script: one two\n    three\n",
    "single quotes": "a:\n  script: 'it''s one two\n    three'\n",
    "double quotes": 'a:\n  script: "\\"one\\" \\x41\\ttwo\\n three"\n',
    "literal with carriage returns": "a:\r\n  script: |\r\n    one two\r\n    three\r\n",
    "after other letters": "# 三\na:\n  中文: 名\n  script: |\n    名 two\n    three\n",
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("word", ["two", "three"])
def test_a_word_of_a_scalar_has_its_place_in_the_file(text: str, word: str) -> None:
    (document,), problems = documents(text.encode(), "f.yaml")
    assert problems == ()
    value = document.data["a"]["script"]
    position = Text(document, ("a", "script"), value).at(value.index(word)).position()
    line = text.splitlines()[position.line - 1]
    assert line[position.column - 1 :].startswith(word)


def test_a_part_of_a_part_has_its_place_in_the_file() -> None:
    (document,), _ = documents(b"a: |\n  cat <<EOF\n  key: value\n  EOF\n", "f.yaml")
    whole = Text(document, ("a",), document.data["a"])
    part = whole.part(whole.value.index("key"), len(whole.value))
    assert str(part.at_line(1, 6).position()) == "f.yaml:3:8"
    assert str(part.at().position()) == "f.yaml:3:3"


def test_a_missing_key_has_the_place_of_its_parent() -> None:
    (document,), _ = documents(b"a:\n  b: 1\n", "f.yaml")
    assert str(Text(document, ("a", "c"), "").at().position()) == "f.yaml:1:1"
