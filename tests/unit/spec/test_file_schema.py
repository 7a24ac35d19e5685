"""The schemas that editors read: every shipped file keeps its own, and a slip is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from ftc.spec import file_schema
from unit.compiling import ROOT, ftc

FILES = sorted(file for file in (ROOT / "conf").rglob("*.yaml") if "pins" not in file.parts)
MARK = "# yaml-language-server: $schema="


def problems(group: str, text: str) -> list[str]:
    schema = json.loads(ftc("schema", group).stdout)
    return [error.message for error in Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


def test_every_group_has_a_schema_and_the_committed_ones_are_current() -> None:
    groups = {file.parent.name for file in FILES if file.parent != ROOT / "conf"}
    assert set(file_schema.NAMES) == {*groups, "config"}
    committed = {file.name: file.read_text() for file in (ROOT / "schemas" / "conf").iterdir()}
    assert committed == {f"{name}.schema.json": file_schema.text(name) for name in file_schema.NAMES}, "make schemas"


@pytest.mark.parametrize("name", file_schema.NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    Draft7Validator.check_schema(file_schema.make(name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_shipped_file_names_its_schema_and_keeps_it(file: Any) -> None:
    (mark,) = [line for line in file.read_text().splitlines() if line.startswith(MARK)]
    schema = file.parent / mark.removeprefix(MARK)
    whole = file.parent == ROOT / "conf" or file.read_text().startswith("# @package _global_")
    assert schema.resolve() == ROOT / "schemas" / "conf" / f"{'config' if whole else file.parent.name}.schema.json"
    found = Draft7Validator(json.loads(schema.read_text())).iter_errors(yaml.safe_load(file.read_text()))
    assert [error.message for error in found] == []


@pytest.mark.parametrize(
    ("group", "text"),
    [
        (
            "config",
            "defaults: [config, {override hardware: our-npu}, _self_]\nnodes: 4\ntrain: {learning_rate: 1.0e-4}\n",
        ),
        ("config", "nodes: ${cluster.size}\nhardware: {device: {resource: example.com/npu}}\n"),
        ("hardware", "defaults: [ascend, _self_]\ncpu_per_device: 20\n"),
        ("source", "kind: git\nurl: ???\n"),
        ("storage", "cache: {kind: directory, path: '${storage.workspace.mount_path}/cache'}\n"),
        ("case", "why: because\nmatrix: ['nodes=1,2']\nexclude: [[nodes=2]]\ntargets: [volcano, job]\n"),
    ],
)
def test_what_is_right_is_not_marked(group: str, text: str) -> None:
    assert problems(group, text) == []


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("config", "nodez: 4\n"),
        ("config", "nodes: four\n"),
        ("config", "hardware: {device: {resourze: x}}\n"),
        ("hardware", "cpu_per_devise: 20\n"),
        ("hardware", "bf16: maybe\n"),
        ("source", "kind: git\nurll: x\n"),
        ("source", "kind: gti\n"),
        ("case", "overrides: []\n"),
        ("case", "why: x\ntargets: [volcan]\n"),
    ],
)
def test_a_slip_is_marked(group: str, text: str) -> None:
    assert problems(group, text) != []


def test_without_a_group_it_is_the_schema_of_the_spec() -> None:
    assert ftc("schema").stdout == (ROOT / "schemas" / "spec.schema.json").read_text()


def test_a_group_that_does_not_exist_is_refused() -> None:
    said = ftc("schema", "hardwear")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "did you mean 'hardware'?" in said.stderr


def test_the_schemas_ship_with_the_conf_files() -> None:
    included = (Path(ROOT) / "pyproject.toml").read_text()
    assert 'schemas = "ftc/schemas"' in included
    assert 'conf = "ftc/conf"' in included
