"""The datasets of a run: their sources, the one dataset_info.json, and the arguments of the trainer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from unit.compiling import artifacts, document, fetcher, found, pod, variables, without_origin

GIT = "dataset.more.identity-alauda.source.url=https://git.example.com/d"
LIST = ("dataset=[alpaca,identity-alauda]", GIT)
ON_A_VOLUME = ("dataset=custom", "source@dataset.source=path", "dataset.source.path=/workspace/a")


def evaluation(place: str, *overrides: str) -> tuple[str, ...]:
    """Evaluation data in a directory."""
    key = "dataset.evaluation.test"
    source = (f"source@{key}.source=path", f"{key}.source.path={place}")
    return (f"+dataset@{key}=custom", *source, *(f"{key}.{one}" for one in overrides))


def train(*overrides: str) -> dict[str, Any]:
    content: dict[str, Any] = document("train.yaml", *overrides)
    return content


def test_a_list_of_options_is_a_run_with_several_datasets() -> None:
    assert train(*LIST)["dataset"] == "alpaca,identity_alauda"
    containers = [container["name"] for container in pod(*LIST)["initContainers"]]
    assert containers == ["fetch-model", "fetch-dataset", "fetch-dataset-identity-alauda"]
    assert variables(fetcher("dataset-identity-alauda", *LIST))["SOURCE"] == "https://git.example.com/d"


def same_files(*runs: tuple[str, ...]) -> bool:
    """Whether two runs have the same files, except for what they were made from."""
    first, second = ({name: without_origin(text) for name, text in artifacts(*run).items()} for run in runs)
    return first == second


def test_a_list_means_the_same_as_the_item_of_a_defaults_list() -> None:
    written = ("dataset=alpaca", "+dataset@dataset.more.identity-alauda=identity-alauda", GIT)
    assert same_files(LIST, written)


def test_one_option_in_a_list_is_that_option() -> None:
    assert same_files(("dataset=[no-robots]",), ("dataset=no-robots",))


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("dataset=[alpaca,alpacca]", "'alpacca' is not an option of dataset"),
        ("dataset=[alpaca,alpaca]", "needs different options"),
        ("dataset=[alpaca,none]", "`none` cannot be combined with other options"),
        ("dataset=[]", "needs an option"),
        ("model=[qwen3-8b,qwen3-4b]", "is not an option of model"),
    ],
)
def test_a_list_that_is_wrong_is_reported_as_it_was_written(override: str, word: str) -> None:
    (told,) = found(override)
    assert word in told.message
    assert told.position is not None
    assert told.position.source == override


def test_the_help_for_none_in_a_list_is_a_list_without_it() -> None:
    (told,) = found("dataset=[alpaca,none,no-robots]")
    assert told.help == "write dataset=none or 'dataset=[alpaca,no-robots]'"


def test_the_files_of_several_sources_are_joined_on_each_node() -> None:
    assert train(*LIST)["dataset_dir"] == "dataset-info"
    (command,) = json.loads(artifacts(*LIST)["setup.json"])
    directory = variables(fetcher("dataset-identity-alauda", *LIST))["TARGET_DIR"] + "/files"
    script, info, result, *rest = command[1:]
    assert script == "/etc/ftc/join_datasets.py"
    assert info == "/etc/ftc/dataset_info.json"
    assert result == "dataset-info/dataset_info.json"
    assert rest == [directory, directory, "identity_alauda"]
    assert list(json.loads(artifacts(*LIST)["dataset_info.json"])) == ["alpaca"]


def test_the_users_setup_comes_after_the_join() -> None:
    commands = json.loads(artifacts(*LIST, "setup=[[pip,install,x]]")["setup.json"])
    assert [command[0] for command in commands] == ["python3", "pip"]


def test_described_datasets_need_no_join() -> None:
    both = ("dataset=[alpaca,no-robots]",)
    assert "setup.json" not in artifacts(*both)
    assert train(*both)["dataset_dir"] == "/etc/ftc"
    info = json.loads(artifacts(*both)["dataset_info.json"])
    assert {name: entry.get("file_name", entry.get("script_url")) for name, entry in info.items()} == {
        "alpaca": variables(fetcher("dataset", *both))["TARGET_DIR"] + "/files/data",
        "no_robots": variables(fetcher("dataset-no-robots", *both))["TARGET_DIR"] + "/files",
    }


def test_datasets_of_one_source_are_fetched_once_and_its_file_is_read() -> None:
    overrides = (*ON_A_VOLUME, "dataset.names=[rows]", *evaluation("/workspace/a", "names=[questions]"))
    assert [one["name"] for one in pod(*overrides)["initContainers"]] == ["fetch-model", "fetch-dataset"]
    assert variables(fetcher("dataset", *overrides))["EXPECT_DATASETS"] == "rows,questions"
    written = train(*overrides)
    assert (written["dataset"], written["eval_dataset"]) == ("rows", "questions")
    assert written["dataset_dir"] == "/workspace/a"
    assert "setup.json" not in artifacts(*overrides)


def test_evaluation_data_is_used_after_each_epoch_unless_the_user_says_when() -> None:
    overrides = evaluation("/workspace/b", "info.b.file_name=b.jsonl")
    assert train(*overrides)["eval_dataset"] == "b"
    assert train(*overrides)["eval_strategy"] == "epoch"
    assert train(*overrides, "train.eval_strategy=steps", "train.eval_steps=5")["eval_strategy"] == "steps"
    assert train(*overrides, "train.eval_dataset=alpaca")["eval_dataset"] == "alpaca,b"


def test_evaluation_data_and_a_part_of_the_training_data_exclude_each_other() -> None:
    told = found(*evaluation("/workspace/b", "info.b.file_name=b.jsonl"), "train.val_size=0.1")
    assert [d.path for d in told if "eval_dataset is also set" in d.message] == [("train", "val_size")]


@pytest.mark.parametrize("first", [True, False])
def test_media_are_looked_for_in_the_source_that_has_them(*, first: bool) -> None:
    options = ("alpaca", "covla-qa-zh") if first else ("covla-qa-zh", "alpaca")
    overrides = ("model=qwen2.5-vl-7b-instruct", f"dataset=[{','.join(options)}]")
    name = "dataset-covla-qa-zh" if first else "dataset"
    assert train(*overrides)["media_dir"] == variables(fetcher(name, *overrides))["TARGET_DIR"] + "/files"


def test_a_program_finds_each_dataset_by_a_variable() -> None:
    overrides = ("launcher=command", "launcher.command=[python,a.py]", "model=none", *LIST)
    (container,) = pod(*overrides)["containers"]
    given = variables(container)
    assert given["DATASET_IDENTITY_ALAUDA_DIR"].startswith("/workspace/cache/d-")
    assert given["DATASET_DIR"].startswith("/workspace/cache/alpaca-")


def test_the_source_of_a_further_dataset_has_the_keys_of_its_kind_only() -> None:
    place = "dataset.more.identity-alauda.source={kind: path, path: /workspace/d}"
    spec = yaml.safe_load(artifacts(*LIST, place)["spec.yaml"])
    source = spec["dataset"]["more"]["identity-alauda"]["source"]
    assert source == {"kind": "path", "path": "/workspace/d", "revision": ""}
