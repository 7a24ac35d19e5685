"""A conf file is read like OmegaConf does, with the position of every key and without surprises."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ftc import source, yaml_text
from ftc.diagnostics.model import KeyPath, Position, Related
from ftc.source import documents

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.diagnostics.model import Diagnostic

NESTED = """\
# a comment
name: a
hardware:
  device:
    resource: example.com/x
  scripts:
    - /a
    -   /b
inline: {one: 1, two: {three: 3}}
"quoted key": 1
"""


def read(directory: Path, content: str | bytes) -> tuple[source.Document | None, tuple[Diagnostic, ...]]:
    file = directory / "file.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return source.read(file, "conf/file.yaml")


def problem(directory: Path, content: str | bytes) -> Diagnostic:
    document, problems = read(directory, content)
    assert document is None
    assert len(problems) == 1
    return problems[0]


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("name",), 2, 1),
        (("hardware",), 3, 1),
        (("hardware", "device", "resource"), 5, 5),
        (("hardware", "scripts", 0), 7, 7),
        (("hardware", "scripts", 1), 8, 9),
        (("inline", "two", "three"), 9, 24),
        (("quoted key",), 10, 1),
    ],
)
def test_a_key_has_the_position_that_an_editor_shows(tmp_path: Path, path: KeyPath, line: int, column: int) -> None:
    document, _ = read(tmp_path, NESTED)
    assert document is not None
    assert document.position(path) == Position("conf/file.yaml", line, column)


def test_a_key_that_is_not_there_has_the_position_of_its_nearest_parent(tmp_path: Path) -> None:
    document, _ = read(tmp_path, NESTED)
    assert document is not None
    assert document.position(("hardware", "device", "memory")).line == 4
    assert document.depth(("hardware", "device", "memory")) == 2
    assert document.depth(("hardware", "scripts", 2)) == 2
    assert document.depth(("nothing",)) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("1E3", 1000.0),
        ("1.0e-4", 0.0001),
        ("12", 12),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        ("'8'", "8"),
        ("~", None),
        ("true", True),
        ("0.9.5", "0.9.5"),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_a_plain_value_is_what_omegaconf_makes_of_it(tmp_path: Path, text: str, value: Any) -> None:
    document, problems = read(tmp_path, f"a: {text}\n")
    assert problems == ()
    assert document is not None
    assert document.data == {"a": value}
    assert type(document.data["a"]) is type(value)
    assert OmegaConf.to_container(OmegaConf.create(f"a: {text}\n")) == {"a": value}


# YAML 1.1, int and float (yaml.org/type); YAML 1.2.2, 10.3.2 (core schema). The second column is YAML 1.1's,
# except for 0o17, which is a string there and the number 15 in YAML 1.2.
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1:30", "90"),
        ("-1:30", "-90"),
        ("1:30.5", "90.5"),
        ("190:20:30", "685230"),
        ("017", "15"),
        ("010", "8"),
        ("00", "0"),
        ("-017", "-15"),
        ("0x10", "16"),
        ("0b101", "5"),
        ("1_000", "1000"),
        ("1_000.5", "1000.5"),
        ("01.5", "1.5"),
        ("0o17", "15"),
    ],
)
def test_an_ambiguous_number_is_reported_with_its_value(tmp_path: Path, text: str, read: str) -> None:
    found = problem(tmp_path, f"a: 1\nb: {{c: [x, {text}]}}\n")
    assert found.position == Position("conf/file.yaml", 2, 12)
    assert found.message.startswith(f"{text} is {read} in YAML 1.")
    assert f"'{text}' in quotes" in found.help


@pytest.mark.parametrize(
    "text", ["0", "-1", "+1", "10", "1.0", ".5", "5.", "-0.5", "1e3", "1E-4", "1.5e+3", "0.0", "08"]
)
def test_a_number_that_every_reader_reads_alike_is_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"a: {text}\n")[1] == ()


@pytest.mark.parametrize("text", ["'017'", '"1:30"', "|\n  0x10", "!!str 010", "1:30:a", "v017", "0x", "1.2.3"])
def test_a_text_that_looks_like_a_number_is_a_text(tmp_path: Path, text: str) -> None:
    document, problems = read(tmp_path, f"a: {text}\n")
    assert problems == ()
    assert document is not None
    assert isinstance(document.data["a"], str)


READABLE = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(READABLE.filter(lambda key: key != "<<"), READABLE | st.floats(0, 1)))
def test_what_ftc_writes_it_reads(values: dict[str, Any]) -> None:
    document, problems = source.parse(yaml_text.dump(values), "x")
    assert problems == ()
    assert document is not None
    assert document.data == values


def test_a_duplicate_key_is_reported_with_both_positions(tmp_path: Path) -> None:
    found = problem(tmp_path, "a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert found.position == Position("conf/file.yaml", 4, 3)
    assert found.related == (Related(("b",), Position("conf/file.yaml", 2, 3)),)
    assert "'b'" in found.message


def test_all_duplicates_are_reported_at_once(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert sorted(p.position.line for p in problems if p.position) == [2, 3]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: [1\nb: 2\n", 2, 2),
        ("a:\n\tb: 1\n", 2, 1),
        ("a: 'x\n", 2, 1),
        ("a: 1\n---\nb: 2\n", 2, 1),
        ("a: *nothing\n", 1, 4),
        ("a: b: c\n", 1, 5),
        ("a: !!python/object/apply:os.system [x]\n", 1, 4),
        ("a: !mine x\n", 1, 4),
        ("ok: 1\nbad: \x07\n", 2, 6),
    ],
)
def test_malformed_yaml_is_reported_at_its_position(tmp_path: Path, text: str, line: int, column: int) -> None:
    found = problem(tmp_path, text)
    assert found.position == Position("conf/file.yaml", line, column)
    assert "\n" not in found.message


@pytest.mark.parametrize("text", ["- a\n", "hello\n", "3\n", "[]\n"])
def test_a_file_that_is_not_a_mapping_is_reported(tmp_path: Path, text: str) -> None:
    assert "mapping" in problem(tmp_path, text).message


@pytest.mark.parametrize("text", ["1: a\n", "true: a\n", "1.5: a\n", "null: a\n", "? [a]\n: b\n"])
def test_a_key_that_is_not_a_string_is_reported(tmp_path: Path, text: str) -> None:
    assert "a key must be" in problem(tmp_path, text).message or "is not a string" in problem(tmp_path, text).message


@pytest.mark.parametrize("raw", [b"a: \xff\n", "a: 中\n".encode("gbk"), "a: 1\n".encode("utf-16")])
def test_an_encoding_other_than_utf8_is_reported(tmp_path: Path, raw: bytes) -> None:
    assert "utf-8" in problem(tmp_path, raw).message.lower()


def test_a_byte_order_mark_of_utf8_does_no_harm(tmp_path: Path) -> None:
    document, _ = read(tmp_path, b"\xef\xbb\xbfa: 1\nb: 2\n")
    assert document is not None
    assert document.data == {"a": 1, "b": 2}
    assert document.position(("b",)) == Position("conf/file.yaml", 2, 1)


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, content: str) -> None:
    document, problems = read(tmp_path, content)
    assert problems == ()
    assert document is not None
    assert document.data == {}


def test_a_few_aliases_and_merge_keys_are_allowed(tmp_path: Path) -> None:
    document, problems = read(tmp_path, "a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n")
    assert problems == ()
    assert document is not None
    assert document.data == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a\n  b: *a\n",
        f"a: {'[' * 100}{']' * 100}\n",
        f"a: {'[' * 100_000}{']' * 100_000}\n",
        f"a: {'{b: ' * 50_000}1{'}' * 50_000}\n",
        f"a:\n {'- ' * 100_000}x\n",
        f"a: '{'x' * 2_000_000}'\n",
        f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 20_000)}]\n",
    ],
    ids=["aliases", "loop", "deep", "very deep", "very deep mappings", "very deep blocks", "large", "long aliases"],
)
def test_what_is_too_large_or_too_deep_is_refused_and_does_no_harm(tmp_path: Path, text: str) -> None:
    limit = sys.getrecursionlimit()
    assert problem(tmp_path, text).message
    assert sys.getrecursionlimit() == limit


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "directory.yaml").mkdir()
    document, (found,) = source.read(tmp_path / "directory.yaml", "conf/directory.yaml")
    assert document is None
    assert found.position is not None
    assert found.position.source == "conf/directory.yaml"
    assert str(tmp_path) not in found.message


def stream(text: str | bytes) -> tuple[list[object], list[str]]:
    raw = text if isinstance(text, bytes) else text.encode()
    read_ones, problems = documents(raw, "f.yaml")
    return [document.data for document in read_ones], [f"{p.position}: {p.message}" for p in problems]


def test_a_stream_has_many_documents_and_each_knows_its_lines() -> None:
    found, problems = documents(b"a: 1\n---\n---\n# nothing\n---\nb:\n  c: 2\n", "f.yaml")
    assert problems == ()
    assert [document.data for document in found] == [{"a": 1}, {"b": {"c": 2}}]
    assert str(found[1].position(("b", "c"))) == "f.yaml:7:3"


def test_a_manifest_is_read_as_kubernetes_reads_it() -> None:
    text = "{a: y, b: 1:30, c: 1e-4, d: 2026-01-01, e: on, f: 0x10}"
    assert stream(text) == ([{"a": True, "b": "1:30", "c": 1e-4, "d": "2026-01-01", "e": True, "f": 16}], [])


def test_documents_before_an_error_are_still_read() -> None:
    found, problems = stream("a: 1\n---\nb: [1\n---\nc: 2\n")
    assert found == [{"a": 1}]
    assert len(problems) == 1
    assert problems[0].startswith("f.yaml:4:1: is not YAML: the list that begins at f.yaml:3:4 lacks a closing ] here")


CONFLICT = "a: 1\n<<<<<<< HEAD\nb: 2\n||||||| 1234567\nb: 1\n=======\nb: 3\n>>>>>>> other\nc: [\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CONFLICT, 2),
        (CONFLICT.replace("\n", "\r\n"), 2),
        ('{"a": 1,\n "b": 2,\n<<<<<<< HEAD\n "c": 3\n=======\n "c": 4\n>>>>>>> other\n}\n', 3),
        ("a:\n  - b\n<<<<<<< Updated upstream\n=======\n  - c\n>>>>>>> Stashed changes\n", 3),
    ],
)
def test_merge_conflict_markers_are_named_at_the_first_one(tmp_path: Path, text: str, line: int) -> None:
    found = problem(tmp_path, text)
    assert (found.message, found.help) == ("is not YAML: merge conflict markers", "resolve the conflict")
    assert (found.position.line, found.position.column) == (line, 1) if found.position else False
    assert stream(text)[1] == [f"f.yaml:{line}:1: is not YAML: merge conflict markers"]


def test_text_that_looks_like_a_conflict_marker_is_text() -> None:
    assert stream("a: |\n  <<<<<<< HEAD\n") == ([{"a": "<<<<<<< HEAD\n"}], [])
    (said,) = stream("a: |\n  <<<<<<< HEAD\nb: [\n")[1]
    assert "conflict" not in said


def test_a_key_that_is_there_twice_is_said_and_the_last_counts() -> None:
    found, problems = stream("a: 1\nb: 2\na: 3\n")
    assert found == [{"a": 3, "b": 2}]
    assert problems == ["f.yaml:3:1: duplicate key 'a'"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(10))}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
# Each mapping merges the keys of the previous one ten times.
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join(f'*{old}' for _ in range(10))}]}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", ""),
        (b"# nothing\n", ""),
        (b"\xff\xfe", "is not UTF-8"),
        (b"a: 1\nb: caf\xe9\n", "f.yaml:2:7: is not UTF-8"),
        (b"a: \x00\n", "is not YAML"),
        (b"[" * 10_000, "too deep"),
        (b"- " * 10_000, "too deep"),
        (b"? " * 10_000, "too deep"),
        (b"a: " + b"{a: " * 10_000, "too deep"),
        (BOMB.encode(), "too large or too deep"),
        (b"x: 1\n" * 200 + MERGED.encode(), "too large or too deep"),
        (b"a: &a [*a]\n", "too large or too deep"),
        (b"[" + b"a," * 3_000_000 + b"]", "too large or too deep"),
        (b"a: " + b"1:" * 200_000 + b"1\n", ""),
        (b"a: !!int " + b"1:" * 200_000 + b"1\n", "does not match its tag"),
        (b"a: !!bool maybe\n", "does not match its tag"),
        (b"a: !!timestamp never\n", "does not match its tag"),
        (b"a: !!float\n", "does not match its tag"),
        (b"a: !vault x\n", "a tag (!) that ftc does not read"),
        (b"? [a]\n: b\n", "a key must be a plain scalar"),
        (b"a: " + b"9" * 10_000 + b"\n", ""),
        (b"x" * 20_000_001, "is larger than"),
        (b"---\n" * 200_000, "more than 20000 documents"),
        (b"a: 1\n---\n" * 10_000, ""),
        (b"a: |\n  " + b"x" * 5_000_000 + b"\n", ""),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else value or "fine",
)
def test_no_bytes_are_too_much(raw: bytes, said: str) -> None:
    began = time.process_time()
    _, problems = stream(raw)
    assert time.process_time() - began < 5
    assert any(said in problem for problem in problems) if said else problems == []
