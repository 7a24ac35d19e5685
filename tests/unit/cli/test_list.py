"""`ftc list` and `ftc rule`: width, colour and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftc.diagnostics.columns import width
from unit.compiling import ROOT, conf, ftc

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    ("list",),
    ("list", "hardware"),
    ("list", "hardware", "--wide"),
    ("rule",),
    ("rule", "FTC301"),
    ("rule", "memory"),
)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_lines_fit_the_terminal(command: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ftc(*command).stdout
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = ftc(*command).stdout
    assert max(width(line) for line in shown.splitlines()) <= columns
    assert "--wide" in command or {*whole.split()} <= {*shown.split()}


def test_a_pipe_gets_a_line_per_option() -> None:
    files = {file.stem for file in (ROOT / "conf" / "hardware").glob("*.yaml")}
    assert {line.split()[0] for line in ftc("list", "hardware").stdout.splitlines()} == files


def test_chinese_comments_are_aligned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"# {'自己的问答数据' * 9}\nid: a\n"
    directory = conf(tmp_path, {"dataset/自己的": text, "dataset/b": "# B.\nid: b\n"})
    monkeypatch.setenv("COLUMNS", "80")
    shown = ftc("list", "dataset", "--config-dir", directory).stdout.splitlines()
    starts = [line.partition("自己的问答")[0] for line in shown if "自己的问答" in line]
    (other,) = [line for line in shown if line.startswith("b ")]
    assert width(starts[0]) == len(other.partition("B.")[0])
    assert max(map(width, shown)) <= 80


def test_the_description_of_an_option_is_a_whole_sentence() -> None:
    for group in json.loads(ftc("list", "--json").stdout):
        for option in group["options"]:
            assert option["description"].endswith((".", "…", "}", "]", "source")), option


def test_prose_of_a_page_is_joined_before_it_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ftc("rule", "FTC702").stdout
    monkeypatch.setenv("COLUMNS", "70")
    folded = ftc("rule", "FTC702").stdout
    commands = [line for line in whole.splitlines() if line.startswith(("Wrong:", "Right:"))]
    assert len(commands) == 2
    assert {*commands} <= {*folded.splitlines()}
    prose = folded.split("\n\n")[1].splitlines()
    assert len(prose) > 2
    following = [line.split()[0] for line in prose[1:]]
    assert all(len(line) + 1 + len(word) > 70 for line, word in zip(prose, following, strict=False))


def test_a_table_with_a_narrow_last_column_has_it_below_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = ftc("rule", "shell").stdout.splitlines()
    assert shown[0] == "shell:"
    assert {line[:2] for line in shown[1::2]} == {"  "}
    assert all(len(line.split()) == 3 for line in shown if line.startswith("  FTC"))


def test_data_as_json() -> None:
    groups = json.loads(ftc("list", "--json").stdout)
    assert {"hardware", "dataset"} <= {one["group"] for one in groups}
    datasets = json.loads(ftc("list", "dataset", "--format", "json").stdout)
    assert {
        "name": "alpaca",
        "description": "Stanford's Alpaca, 52,000 English instructions, from the hub.",
    } in datasets
    rules = json.loads(ftc("rule", "--json", "FTC301").stdout)
    assert [(one["code"], one["name"]) for one in rules] == [("FTC301", "devices-exceed-node")]
    assert len(json.loads(ftc("rule", "--format", "json").stdout)) > 100
