"""A user's conf tree in front of the shipped one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftc.conf_tree import groups, search_path
from ftc.resources import directory
from unit.compiling import conf, ftc
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path


def spec(*arguments: str) -> dict[str, object]:
    said = ftc("show", *arguments)
    assert said.exit_code == 0, said.stderr
    assert said.stderr == ""
    value: dict[str, object] = load(said.stdout)
    return value


def hardware(*arguments: str) -> dict[str, object]:
    value = spec(*arguments)["hardware"]
    assert isinstance(value, dict)
    return value


def test_a_new_option_can_be_chosen(tmp_path: Path) -> None:
    text = "device: {resource: example.com/npu}\nimage: a/b:1\ncpu_per_device: 1\narguments: {bf16: true}\n"
    mine = conf(tmp_path, {"hardware/mine": text + "memory_gib_per_device: 9\nshm_gib_per_device: 1\n"})
    assert hardware("--config-dir", mine, "hardware=mine")["cpu_per_device"] == 1
    assert "'mine'" in ftc("compile", "--config-dir", mine, "hardware=minee").stderr


def test_a_users_option_can_extend_a_shipped_one(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"hardware/a100": "defaults:\n  - nvidia\n  - _self_\ndevice:\n  memory_mib: 40960\n"})
    found = hardware("--config-dir", mine, "hardware=a100")
    assert found["device"] == {
        "resource": "nvidia.com/gpu",
        "sharing": "whole",
        "allocator": "plugin",
        "slices": {},
        "profiles": [],
        "memory_mib": 40960,
        "per_node": 8,
        "counts": [],
        "counts_across_nodes": [],
    }
    assert found["image"] == hardware("hardware=nvidia")["image"]


def test_an_option_of_the_same_name_replaces_the_shipped_one(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"engine/ddp": "kind: deepspeed\nstage: 2\n"})
    assert spec("--config-dir", mine)["engine"] == {"kind": "deepspeed", "stage": 2, "offload": False, "config": {}}


def test_the_first_of_several_trees_wins(tmp_path: Path) -> None:
    one = conf(tmp_path / "one", {"engine/mine": "kind: deepspeed\nstage: 2\n"})
    two = conf(tmp_path / "two", {"engine/mine": "kind: deepspeed\nstage: 3\n", "engine/other": "kind: ddp\n"})
    found = spec("--config-dir", one, "--config-dir", two, "engine=mine")["engine"]
    assert isinstance(found, dict)
    assert found["stage"] == 2
    assert spec("--config-dir", one, "--config-dir", two, "engine=other")["engine"] == {"kind": "ddp"}


RUN = """\
defaults:
  - config
  - override hardware: ascend
  - override launcher: torchrun
  - _self_
name: my-run
nodes: 2
train:
  learning_rate: 2e-5
"""


def test_a_primary_config_names_a_whole_run(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"my-run": RUN})
    found = spec("--config-dir", mine, "-c", "my-run")
    assert (found["name"], found["nodes"], found["launcher"]) == ("my-run", 2, {"kind": "torchrun"})
    assert found["train"] == {"learning_rate": 2e-5}
    assert hardware("--config-dir", mine, "-c", "my-run")["distributed_type"] == "MULTI_NPU"


def test_the_command_line_wins_over_a_primary_config(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"my-run": RUN})
    found = spec("--config-dir", mine, "-c", "my-run", "nodes=3", "launcher=accelerate")
    assert (found["nodes"], found["launcher"]) == (3, {"kind": "accelerate"})


@pytest.mark.parametrize("word", ["override hardware", "override /hardware"])
def test_a_primary_config_without_self_works_silently(tmp_path: Path, word: str) -> None:
    mine = conf(tmp_path, {"my-run": f"defaults:\n  - config\n  - {word}: ascend\nnodes: 2\n"})
    assert spec("--config-dir", mine, "-c", "my-run")["nodes"] == 2


def test_a_primary_config_named_config_replaces_the_shipped_one(tmp_path: Path) -> None:
    shipped = ftc("show", "nodes=5").stdout
    assert spec("--config-dir", conf(tmp_path, {"config": shipped}))["nodes"] == 5


def test_a_primary_config_can_be_in_a_directory(tmp_path: Path) -> None:
    text = RUN.replace("- config", "- /config").replace("override ", "override /")
    mine = conf(tmp_path, {"runs/a": f"# @package _global_\n{text}"})
    assert spec("--config-dir", mine, "-c", "runs/a")["name"] == "my-run"


def test_a_user_can_add_a_group(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"experiment/long": "# @package _global_\nnodes: 2\ntrain:\n  num_train_epochs: 9.0\n"})
    found = spec("--config-dir", mine, "+experiment=long")
    assert found["nodes"] == 2
    assert found["train"] == {"num_train_epochs": 9.0}


def test_groups_and_options_of_all_trees_are_listed(tmp_path: Path) -> None:
    mine = conf(tmp_path, {"hardware/mine": "cpu_per_device: 1\n", "experiment/long": "nodes: 2\n"})
    known = groups(search_path((tmp_path,)))
    assert mine
    assert "mine" in known["hardware"]
    assert "ascend" in known["hardware"]
    assert known["experiment"] == ("long",)


def test_a_conf_that_is_given_twice_is_searched_once(tmp_path: Path) -> None:
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    first.mkdir()
    second.mkdir()
    link.symlink_to(first)
    shipped = directory("conf")
    assert [path for path, _ in search_path((first, shipped, second, link))] == [first, shipped, second]
    said = ftc("compile", "--config-dir", str(shipped), "-c", "no-such-run").stderr.partition("\n")[0]
    assert "no primary config 'no-such-run' in" in said
    assert "," not in said


def test_other_directories_and_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "notes.txt").write_text("not an option")
    known = groups(search_path((tmp_path,)))
    assert ".git" not in known
    assert "__pycache__" not in known
    assert "notes" not in known["hardware"]


@pytest.mark.parametrize("name", ["../secret", "hardware/../../secret"])
def test_an_option_outside_of_the_tree_cannot_be_chosen(tmp_path: Path, name: str) -> None:
    conf(tmp_path, {"secret": "cpu_per_device: 1\n"})
    mine = conf(tmp_path / "mine", {"hardware/x": "cpu_per_device: 1\n"})
    said = ftc("compile", "--config-dir", mine, f"hardware={name}")
    assert said.exit_code == 1
    assert said.stdout == ""


def test_a_missing_conf_directory_is_a_usage_error(tmp_path: Path) -> None:
    said = ftc("compile", "--config-dir", str(tmp_path / "nothing"))
    assert said.exit_code == 2
    assert said.stdout == ""
