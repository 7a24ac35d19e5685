"""The schemas for editors accept every shipped file, and reject mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from ftc import editor
from unit.compiling import ROOT, ftc

FILES = sorted(file for file in (ROOT / "conf").rglob("*.yaml") if "pins" not in file.parts)
MARK = "# yaml-language-server: $schema="


def problems(group: str, text: str) -> list[str]:
    schema = json.loads(ftc("schema", group).stdout)
    return [error.message for error in Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


def test_every_group_has_a_schema_and_the_committed_ones_are_current() -> None:
    groups = {file.parent.name for file in FILES if file.parent != ROOT / "conf"}
    assert set(editor.NAMES) == {*groups, "config"}
    committed = {file.name: file.read_text() for file in (ROOT / "schemas" / "conf").iterdir()}
    assert committed == {f"{name}.schema.json": editor.text(name) for name in editor.NAMES}, "make schemas"


@pytest.mark.parametrize("name", editor.NAMES)
def test_each_schema_is_valid(name: str) -> None:
    Draft7Validator.check_schema(editor.make(name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_shipped_file_names_its_schema_and_matches_it(file: Any) -> None:
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
        (
            "config",
            "defaults: [config, {override hardware: our-npu, override source@model.source: ours}, {model: null}]\n",
        ),
        ("config", "defaults: [base, {/team@team: ours}]\ntrain: {learning_rate: '${rate}', optim: '${optim}'}\n"),
        (
            "config",
            "train: {of_another_release: 1, warmup_steps: 0.1, add_tokens: null, mix_strategy: interleave_once}\n",
        ),
        ("method", "arguments: {lora_rank: 8, lora_target: all}\nmerge: {export_size: 5, trust_remote_code: true}\n"),
        ("hardware", "defaults: [our-base, {/build@build: our-image}, _self_]\narguments: {bf16: true}\n"),
        ("source", "kind: git\nurl: ???\n"),
        ("storage", "cache: {kind: directory, path: '${storage.workspace.mount_path}/cache'}\n"),
        ("case", "why: because\nmatrix: ['nodes=1,2']\nexclude: [[nodes=2]]\ntargets: [volcano, job]\n"),
    ],
)
def test_a_correct_file_is_accepted(group: str, text: str) -> None:
    assert problems(group, text) == []


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("config", "nodez: 4\n"),
        ("config", "nodes: four\n"),
        ("config", "train: {learning_rate: fast}\n"),
        ("config", "train: {optim: adamw_troch}\n"),
        ("config", "train: {bf16: 3}\n"),
        ("config", "train: [learning_rate]\n"),
        ("model", "arguments: {flash_attn: fa9}\n"),
        ("method", "merge: {export_size: much}\n"),
        ("config", "hardware: {device: {resourze: x}}\n"),
        ("hardware", "cpu_per_devise: 20\n"),
        ("hardware", "bf16: maybe\n"),
        ("source", "kind: git\nurll: x\n"),
        ("source", "kind: gti\n"),
        ("case", "overrides: []\n"),
        ("case", "why: x\ntargets: [volcan]\n"),
    ],
)
def test_a_mistake_is_rejected(group: str, text: str) -> None:
    assert problems(group, text) != []


def branches(root: Any, schema: Any) -> list[Any]:
    """A schema with all of its references and branches resolved."""
    if "$ref" in schema:
        return branches(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
    inner = (*schema.get("anyOf", ()), *schema.get("allOf", ()), *(schema[key] for key in ("then",) if key in schema))
    return [schema, *(found for one in inner for found in branches(root, one))]


def _leads(schema: Any, step: str) -> bool:
    return "items" in schema if step == "-" else step in schema.get("properties", {})


def offered(group: str, *path: str) -> set[str]:
    """The keys and values that an editor completes at a path; `-` means the items of a list."""
    root = json.loads(ftc("schema", group).stdout)
    here = [root]
    for step in path:
        known = [one for schema in here for one in branches(root, schema)]
        below = (one["items"] if step == "-" else one["properties"][step] for one in known if _leads(one, step))
        here = list(below)
    found = [one for schema in here for one in branches(root, schema)]
    return {text for one in found for text in (*one.get("properties", ()), *one.get("enum", ()))}


def test_an_editor_offers_the_options_of_a_group() -> None:
    assert {"ascend", "h800", "_self_", "/build@build"} <= offered("hardware", "defaults", "-")
    assert {"config", "_self_", "override hardware", "model"} <= offered("config", "defaults", "-")
    assert {"ascend", "h800"} <= offered("config", "defaults", "-", "override hardware")
    assert {"git", "s3"} <= offered("config", "defaults", "-", "override source@model.source")
    assert {"git", "s3"} <= offered("dataset", "defaults", "-", "/source@source")


def test_an_editor_offers_the_arguments_of_the_trainer_that_a_user_may_set() -> None:
    for group, key in [("config", "train"), ("hardware", "arguments"), ("method", "arguments"), ("model", "arguments")]:
        assert {"learning_rate", "lora_rank", "cutoff_len"} <= offered(group, key)
        assert not {"output_dir", "model_name_or_path", "deepspeed"} & offered(group, key)  # ftc writes them
    assert "adamw_torch" in offered("config", "train", "optim")
    assert "export_size" in offered("method", "merge")
    described = json.loads(ftc("schema", "config").stdout)["$defs"]["TrainingArguments"]["properties"]
    assert all(one["description"] for one in described.values())


def test_every_chosen_shipped_option_is_offered() -> None:
    shipped = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())["defaults"]
    for key, option in (pair for one in shipped if isinstance(one, dict) for pair in one.items()):
        assert option in offered("config", "defaults", "-", f"override {key}")


def test_no_schema_exceeds_the_size_limit_of_editors() -> None:
    assert max(file.stat().st_size for file in (ROOT / "schemas" / "conf").iterdir()) < 200_000


def test_schema_without_a_group_is_that_of_the_spec() -> None:
    assert ftc("schema").stdout == (ROOT / "schemas" / "spec.schema.json").read_text()


def test_a_group_that_does_not_exist_is_refused() -> None:
    said = ftc("schema", "hardwear")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "did you mean 'hardware'?" in said.stderr


def test_the_schemas_ship_with_the_conf_files() -> None:
    included = (Path(ROOT) / "pyproject.toml").read_text()
    assert 'schemas = "ftc/schemas"' in included
    assert 'conf = "ftc/conf"' in included
