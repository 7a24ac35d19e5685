"""The table of hardware: on a terminal, as JSON, and in the documentation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftc.cli.hardware_table import markdown, rows
from unit.compiling import COMMAND, ROOT, conf, ftc

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = sorted(file.stem for file in (ROOT / "conf" / "hardware").glob("*.yaml"))
BIREN = """\
# Whole Biren GPUs.
vendor: Biren
device: {resource: birentech.com/gpu, memory_mib: 65536}
image: registry.mine/biren/pytorch:1
cpu_per_device: 8
memory_gib_per_device: 64
shm_gib_per_device: 8
collective: bccl
deepspeed: supa
llamafactory: false
"""


@pytest.fixture(scope="module")
def table() -> str:
    found, wrong = rows()
    assert wrong == ()
    assert [row["name"] for row in found] == OPTIONS
    return markdown(found)


def test_the_facts_of_some_hardware(table: str) -> None:
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()}
    assert lines["t4"] == (
        "| t4 | NVIDIA | nvidia.com/gpu | whole | 15360 | - | no | yes | no | no | no | 4, 8 | nccl | cuda | yes |"
    )
    assert lines["cpu"].startswith("| cpu | - | - | - | - | - | yes |")
    assert " | ? | " in lines["mi300x"]


def test_a_new_vendor_is_one_file(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"hardware/biren": BIREN})
    said = ftc("compile", "--config-dir", mine, "hardware=biren", "nodes=2", "devices=8", *COMMAND)
    assert said.exit_code == 0, said.stderr
    assert said.stderr == ""
    assert 'birentech.com/gpu: "8"' in said.stdout
    assert "nvidia" not in said.stdout
    assert "FTC324" in ftc("compile", "--config-dir", mine, "hardware=biren").stderr


def test_list_shows_a_users_hardware_as_a_table_and_as_json(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"hardware/biren": BIREN})
    wide = ftc("list", "hardware", "--wide", "--config-dir", mine)
    (line,) = [line for line in wide.stdout.splitlines() if line.startswith("biren ")]
    assert line.split() == [
        *("biren", "Biren", "birentech.com/gpu", "whole", "65536", "-", "yes", "yes", "?", "?", "no", "?"),
        *("bccl", "supa", "no", "registry.mine/biren/pytorch:1"),
    ]
    found = json.loads(ftc("list", "hardware", "--json", "--config-dir", mine).stdout)
    (row,) = [row for row in found if row["name"] == "biren"]
    assert row["memory_mib"] == 65536
    assert row["llamafactory"] is False
    assert row["bitsandbytes"] is None
    assert all(row.keys() == found[0].keys() for row in found)


def test_hardware_that_does_not_compose_is_reported_and_the_rest_is_shown(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"hardware/broken": "device: 3\n"})
    said = ftc("list", "hardware", "--json", "--config-dir", mine)
    assert said.exit_code == 1
    assert "broken.yaml" in said.stderr
    assert [row["name"] for row in json.loads(said.stdout)] == OPTIONS


def test_only_hardware_has_a_table() -> None:
    said = ftc("list", "model", "--wide")
    assert said.exit_code == 1
    assert "ftc list hardware" in said.stderr
