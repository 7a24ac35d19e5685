"""`ftc show --origins` prints the origin of each value next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from unit.compiling import ROOT, conf, ftc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def shown(*overrides: str) -> list[tuple[str, str]]:
    """The margin and the text of each line."""
    said = ftc("show", "--origins", *overrides)
    assert (said.exit_code, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    width = next(line.index("  name:") for line in lines if "  name:" in line) + 2
    return [(line[:width].rstrip(), line[width:]) for line in lines]


def origin(rows: list[tuple[str, str]], path: str) -> str:
    """The margin of a key, found by its indentation."""
    here: list[str] = []
    for margin, text in rows:
        if text.lstrip().startswith("- ") or ":" not in text:
            continue
        depth = (len(text) - len(text.lstrip())) // 2
        here = [*here[:depth], text.strip().partition(":")[0]]
        if ".".join(here) == path:
            return margin
    raise AssertionError(path)


def line_of(file: str, text: str) -> str:
    """`file:line` of a line that occurs once."""
    (number,) = [n for n, line in enumerate((ROOT / file).read_text().splitlines(), 1) if line.startswith(text)]
    return f"{file}:{number}"


def test_each_value_has_a_file_and_line_an_override_or_the_default() -> None:
    rows = shown("hardware=ascend", "devices=8", "train.max_steps=3", "env={A: b}")
    assert origin(rows, "nodes") == line_of("conf/config.yaml", "nodes:")
    assert origin(rows, "devices") == "devices=8"
    assert origin(rows, "image") == line_of("conf/config.yaml", "image:")
    assert origin(rows, "hardware.device.resource") == line_of("conf/hardware/ascend.yaml", "  resource:")
    assert origin(rows, "hardware.env") == "default"
    assert origin(rows, "model.source.kind") == "conf/source/huggingface.yaml:2"
    assert origin(rows, "train.max_steps") == "train.max_steps=3"
    assert origin(rows, "env.A") == "env={A: b}"
    assert origin(rows, "hardware") == origin(rows, "hardware.device") == ""


def test_a_file_of_the_users_wins(tmp_path: Path) -> None:
    tree = conf(
        tmp_path,
        {
            "run": "defaults: [config, override hardware: mine, _self_]\nnodes: 2\n",
            "hardware/mine": "defaults: [nvidia, _self_]\ncpu_per_device: 3\n",
        },
    )
    rows = shown("--config-dir", tree, "-c", "run")
    # A long path keeps its end.
    assert origin(rows, "nodes").endswith("run.yaml:2")
    assert origin(rows, "hardware.cpu_per_device").endswith("hardware/mine.yaml:2")
    assert origin(rows, "hardware.memory_gib_per_device").startswith("conf/hardware/nvidia.yaml:")
    assert all(len(margin) <= 42 for margin, _ in rows)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("hardware=ascend", "launcher=command", "launcher.command=[python,train.py]"),
        ("env.A='x: y'", "labels={a.b/c: d}", r"env.B=\${HOME}", "env.C='#'"),
        ("pod={spec: {containers: [{name: train, env: [{name: A, value: b}]}]}}",),
    ],
)
def test_the_spec_is_next_to_the_margin(overrides: tuple[str, ...]) -> None:
    text = "".join(f"{line}\n" for _, line in shown(*overrides))
    assert yaml.safe_load(text) == yaml.safe_load(ftc("show", *overrides).stdout)


def test_lines_fit_into_120_columns() -> None:
    rows = ftc("show", "--origins", f"env.LONG='{'x' * 200}'", "hardware=alauda-vgpu").stdout.splitlines()
    assert [row for row in rows if len(row) > 120 and "LONG" not in row] == []
    (long,) = [row for row in rows if "  LONG: " in row]
    assert long.startswith("env.LONG='xxx")
    assert long.index("…  ") == 41


def test_wide_characters_keep_the_columns_aligned() -> None:
    said = ftc("show", "--origins", "env.A='中文'").stdout.splitlines()
    (row,) = [line for line in said if line.startswith("env.A='中文'")]
    straight = next(line for line in said if "  nodes: 1" in line).index("nodes: 1")
    indent, hidden = len("  "), len("中文")  # each of the two characters is two columns wide
    assert row.index("A: 中文") == straight + indent - hidden


def test_the_margin_contains_no_token_and_no_escape_sequence() -> None:
    token = "hf_" + "a1B2" * 9
    said = ftc("show", "--origins", f"env.T={token}", "env.E='\x1b[31m'").stdout
    assert token not in said
    assert "\x1b" not in said


def test_the_spec_is_printed_even_if_groups_do_not_fit() -> None:
    said = ftc("show", "--origins", "devices=9")
    assert said.exit_code == 1
    assert "error[FTC301 devices-exceed-node]" in said.stderr
    assert "devices: 9" in said.stdout
