"""Whatever is written comes back the same from every parser that a manifest meets on its way."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftc import yaml_text
from unit.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AMBIGUOUS = (
    *("y", "n", "Y", "N", "yes", "no", "on", "off", "Yes", "No", "On", "Off", "YES", "NO", "ON", "OFF"),
    *("true", "false", "True", "FALSE", "~", "null", "Null", "NULL", "=", "<<", ""),
    *("0x10", "0X1F", "-0x10", "0o17", "012", "0b1", "0b_1", "1_000", "0_1", "08", "09", "0", "-0", "+0", "+1", "-1"),
    *("1e3", "1E3", "-2E+05", "12e03", "1.", "0.", ".5", "-.5", "+.5", "1.e3", "1.5_0", "685.230_15e+03"),
    *(".", "-.", "+.", "e3", "E5", "-e3", ".e3", "._1", "_1", "1_", "__"),
    *(".inf", "-.inf", "+.INF", ".Inf", ".nan", ".NaN", "inf", "nan", "Infinity"),
    *("12:30", "12:30:45", "12:30:45.5", "190:20:30", "-12:30", "1:60", "0:0"),
    *("2024-01-01", "2024-1-1", "2024-01-01 10:00:00", "2024-01-01T10:00:00Z", "2001-12-14t21:59:43.10-05:00"),
    *("???", "${a}", "$(A)", "$$", "[]", "{}", "[a]", "{a}", "#", "#x", "a #b", "a: b", "a:", ":a", "- a", "-", "--"),
    *("? a", "?", ": ", ",", "!x", "!!str", "&a", "*a", "@x", "`x", "%x", "%YAML 1.1", "|", ">", '"', "'", "it's"),
    *('say "x"', "'a'", "a\\b", "a\\nb", "\\", "---", "...", "--- a", "None", "N/A"),
)
WHITE = (
    *(" ", "  ", " a", "a ", "\t", "a\tb", "\ta", "a\t", "\n", "\n\n", "a\n", "a\nb", "a\n\nb\n", "a\n\n", "\na"),
    *(" a\nb", "\ta\nb", "a \nb", "a\nb ", "a\n b\n", "a\n\tb\n", "#a\nb", "---\na", "a\n---\nb\n", "a\n...\nb"),
    *("a\r", "a\rb", "a\r\nb", "key: value\nother: [1]\n", "- x\n- y\n", "x" * 500, "word " * 300, "-\n", ": \n"),
)
UNICODE = (
    *("é", "中文", "🤗", "a\n中文\n", "a\x85b", "\x85", "a\u2028b", "\u2029", "\ufeff", "a\ufeffb", "\xa0", "a\xa0"),
    *("\x00", "\x07", "\x1b[0m", "\x7f", "\x80", "\x9f", "\u200b", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff"),
    "\U0010ffff",
)
TEXTS = (*AMBIGUOUS, *WHITE, *UNICODE)

PLACES: dict[str, Callable[[str], Any]] = {
    "block mapping": lambda text: {"key": text, "pad": "p" * 120},
    "flow mapping": lambda text: {"key": {"inner": text}},
    "block sequence": lambda text: [text, "p" * 120],
    "flow sequence": lambda text: {"key": [text, text]},
    "key": lambda text: {text: "value"},
    "key of a flow mapping": lambda text: {"outer": {text: "value"}},
    "in pieces": lambda text: {"a": {"b": [{"c": text, text: ["p" * 1200, [text, "p" * 1200]]}, [[text, "p" * 1200]]]}},
}
READABLE = st.text(st.characters(exclude_categories=["Cs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | READABLE
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(READABLE, inner, max_size=4), max_leaves=12
)


def same(left: Any, right: Any) -> bool:
    """Equal in type and value: True is not 1, and 1 is not 1.0."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
@pytest.mark.parametrize("place", PLACES)
def test_a_text_comes_back_from_pyyaml(place: str, loader: Any) -> None:
    for text in TEXTS:
        value = PLACES[place](text)
        back = yaml.load(yaml_text.dump(value), Loader=loader)  # noqa: S506 - both are safe ones
        assert same(back, value), repr(text)


@given(VALUES)
def test_any_value_comes_back_from_pyyaml(value: Any) -> None:
    assert same(yaml.safe_load(yaml_text.dump(value)), value)


@given(st.dictionaries(READABLE, VALUES) | st.lists(VALUES))
def test_any_collection_is_one_line_that_comes_back(value: Any) -> None:
    for one in (value, [*TEXTS], dict.fromkeys(TEXTS)):
        text = yaml_text.on_one_line(one)
        assert len(text.splitlines()) == 1
        assert same(yaml.safe_load(text), one)


def test_what_is_written_in_pieces_is_what_libyaml_writes_at_once() -> None:
    for text in TEXTS:
        value = [PLACES["in pieces"](text)]  # a list is written at once
        at_once = yaml_text.dump(value)[2:].replace("\n  ", "\n").removesuffix("...\n")
        assert yaml_text.dump(value[0]) == at_once, repr(text)


@cache
def node_yaml() -> str | None:
    """The directory of npm's `yaml`: the tests' own, or one that node knows."""
    if shutil.which("node") is None:
        return None
    places = [str(ROOT / "tests" / "node"), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    script = "process.stdout.write(require.resolve('yaml', {paths: process.argv.slice(1)}))"
    done = subprocess.run(["node", "-e", script, *places], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def read_by_node(documents: list[str], version: str) -> list[Any]:
    """The documents as npm's yaml reads them in a version of YAML."""
    place = node_yaml()
    if place is None:
        pytest.skip("node or its package yaml is not there")
    script = """
      const YAML = require(process.argv[1]), version = process.argv[2];
      const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
      const read = text => { try { return YAML.parse(text, {version}) } catch (e) { return String(e) } };
      process.stdout.write(JSON.stringify(texts.map(read)));
    """
    done = subprocess.run(
        ["node", "-e", script, place, version],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
    )
    values: list[Any] = json.loads(done.stdout)
    return values


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("place", PLACES)
def test_a_text_comes_back_from_npms_yaml(place: str, version: str) -> None:
    values = [PLACES[place](text) for text in TEXTS]
    read = read_by_node([yaml_text.dump(value) for value in values], version)
    assert [text for text, back, value in zip(TEXTS, read, values, strict=True) if back != value] == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")
def test_a_text_comes_back_from_kubectl(tmp_path: Path) -> None:
    items = [{"flow": text} for text in TEXTS] + [{"block": text, "pad": "p" * 120} for text in TEXTS]
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"items": items}}
    (tmp_path / "thing.yaml").write_text(yaml_text.dump(thing), encoding="utf-8", newline="\n")
    command = ["kubectl", "label", "--local", "-f", str(tmp_path / "thing.yaml"), "a=b", "-o", "json"]
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["spec"]["items"] == items


NUMBERS = (1e-4, 1.0e-05, 2e-4, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 123456789.0, 0.1, 3.0, -0.0, 1e-3, 0.00012)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_floats_are_floats_for_npms_yaml(version: str) -> None:
    assert read_by_node([yaml_text.dump([number]) for number in NUMBERS], version) == [[number] for number in NUMBERS]


@given(FLOATS)
def test_floats_are_floats_of_the_same_value_in_yaml_1_1(number: float) -> None:
    back = yaml.safe_load(yaml_text.dump({"a": number}))["a"]
    assert isinstance(back, float)
    assert math.copysign(1, back) == math.copysign(1, number)
    assert back == number


@given(FLOATS)
def test_floats_have_a_point_and_a_signed_exponent_so_that_yaml_1_1_sees_no_text(number: float) -> None:
    written = yaml_text.dump({"a": number}).removeprefix("{a: ").removeprefix("a: ").rstrip("}\n")
    mantissa, _, exponent = written.partition("e")
    assert "." in mantissa
    assert exponent == "" or exponent[0] in "+-"


@pytest.mark.parametrize(("number", "written"), [(1e-4, "1.0e-4"), (2e-5, "2.0e-5"), (0.1, "0.1"), (3.0, "3.0")])
def test_floats_look_as_people_write_them(number: float, written: str) -> None:
    assert yaml_text.dump({"a": number}) == f"a: {written}\n"


def test_special_floats_come_back() -> None:
    assert yaml.safe_load(yaml_text.dump([math.inf, -math.inf])) == [math.inf, -math.inf]
    assert math.isnan(yaml.safe_load(yaml_text.dump([math.nan]))[0])


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared = {"requests": ["a long text that fills its line" * 4]}
    text = yaml_text.dump({"one": shared, "two": shared})
    assert "&" not in text
    assert "*" not in text
    assert yaml.safe_load(text) == {"one": shared, "two": shared}


@given(VALUES)
def test_lines_end_with_lf_and_the_text_with_one(value: Any) -> None:
    text = yaml_text.dump(value)
    assert not set(text) & set("\r\x85\u2028\u2029\ufeff")
    assert text.endswith("\n")


def test_a_script_is_a_block_of_its_own_lines() -> None:
    script = "#!/bin/bash\nset -eu\nif [[ $a == \"b\" ]]; then\n  echo 'c' # d\nfi\n"
    lines = yaml_text.dump({"annotations": {"a.sh": script}}).splitlines()
    assert lines[1] == "  a.sh: |"
    assert [line.removeprefix("    ") for line in lines[2:]] == script.splitlines()


def test_long_lines_are_not_folded() -> None:
    long = "a word and " * 200 + "end"
    assert long in yaml_text.dump({"a": long, "b": [long]})


def test_keys_keep_their_order() -> None:
    assert list(yaml.safe_load(yaml_text.dump({"z": 1, "a": {"y": 1, "b": 2}}))) == ["z", "a"]
    assert yaml_text.dump({"z": 1, "a": 2}) == "z: 1\na: 2\n"


def test_tuples_are_lists() -> None:
    assert yaml.safe_load(yaml_text.dump({"a": ("b", 1)})) == {"a": ["b", 1]}
