"""A pod has the files that it uses, and no others."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from unit.compiling import COMMAND, artifacts, pod, template

GIT = ("source@model.source=git", "model.source.url=https://git.example.com/m")
HUB = {"check_path.sh", "marker.sh", "child.sh", "fetch.sh", "fill.sh", "check_fetched.sh", "download_hub.py"}
BY_GIT = {
    *("hold_lock.sh", "publish.sh", "result_files.py", "result_card.py"),
    *("publish_git.sh", "publish_git.py", "git_credentials.sh"),
}
RUN = {"check_image.sh", "prepare.sh", "rendezvous.sh", "launch.sh"}
TRAIN = {
    *RUN,
    "train.sh",
    "train.yaml",
    "merge.yaml",
    "dataset_info.json",
    "steps.sh",
    "child.sh",
    "stop_training.py",
    "check_checkpoints.py",
}
PATHS = ("source@model.source=path", "model.source.path=/m", "source@dataset.source=path", "dataset.source.path=/d")

QUANTIZED = "method.quantize={bits: 4, dataset: /workspace/texts.jsonl, arguments: {export_size: 2}}"


def carried(*overrides: str) -> dict[str, str]:
    annotations = template(*overrides)["metadata"]["annotations"]
    return {name.removeprefix("ftc.dev/"): text for name, text in annotations.items() if name.startswith("ftc.dev/")}


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ((), {*HUB, *TRAIN}),
        (("method.merge=null",), {*HUB, *TRAIN} - {"merge.yaml"}),
        (("launcher=accelerate",), {*HUB, *TRAIN, "accelerate.yaml"}),
        (("launcher=torchrun", "nodes=2"), {*HUB, *TRAIN}),
        (GIT, {*HUB, *TRAIN, "download_git.sh", "git_credentials.sh"}),
        (PATHS, {*TRAIN, "check_path.sh", "marker.sh"}),
        (("dataset=custom", "dataset.id=a/b", "dataset.names=[c]"), {*HUB, *TRAIN} - {"dataset_info.json"}),
        (("setup=[[pip,install,x]]",), {*HUB, *TRAIN, "setup.json", "run_setup.py"}),
        ((QUANTIZED,), {*HUB, *TRAIN, "quantize.yaml"}),
        (
            ("evaluate={}", "train.val_size=9"),
            {*HUB, *TRAIN, "evaluate.yaml", "evaluate.sh", "read_evaluation.py"},
        ),
        (("publish=git", "publish.url=https://g.example/o"), {*HUB, *TRAIN, *BY_GIT}),
        (COMMAND, RUN),
        ((*COMMAND, "model=qwen3-8b"), {*RUN, *HUB}),
    ],
)
def test_a_pod_carries_what_its_steps_use(overrides: tuple[str, ...], names: set[str]) -> None:
    assert set(carried(*overrides)) == {*names, "spec.yaml"}


@pytest.mark.parametrize("overrides", [(), ("launcher=accelerate", "nodes=2"), COMMAND, ("setup=[[a]]", *GIT)])
def test_every_carried_file_is_projected_under_its_name_and_nothing_else(overrides: tuple[str, ...]) -> None:
    (volume,) = [volume for volume in pod(*overrides)["volumes"] if volume["name"] == "ftc"]
    projected = {item["path"]: item["fieldRef"]["fieldPath"] for item in volume["downwardAPI"]["items"]}
    wanted = {name: f"metadata.annotations['ftc.dev/{name}']" for name in carried(*overrides)}
    assert projected == wanted


ADAPTER = ("source@method.adapter=path", "method.adapter.path=/a")
STAGED = ("model=qwen3-8b", "devices=2", "storage.model_in_memory_gib=18")


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (*COMMAND, *STAGED),
        ADAPTER,
        ("evaluate={}", "train.val_size=9"),
        ("publish=git", "publish.url=https://g.example/o"),
        ("nodes=2",),
    ],
)
def test_a_pod_carries_the_scripts_that_its_scripts_source(overrides: tuple[str, ...]) -> None:
    files = carried(*overrides)
    sourced = {
        name for text in files.values() for name in re.findall(r'^ *source .*/([a-z_]+\.sh)"$', text, re.MULTILINE)
    }
    assert "child.sh" in sourced
    assert sourced <= files.keys()


def test_every_container_of_ftc_mounts_the_files() -> None:
    spec = pod(*GIT)
    for container in (*spec["initContainers"], *spec["containers"]):
        assert {"name": "ftc", "mountPath": "/etc/ftc"} in container["volumeMounts"]


@pytest.mark.parametrize(
    ("launcher", "word"),
    [
        ("launcher=llamafactory-cli", "exec llamafactory-cli train"),
        ("launcher=torchrun", "exec torchrun"),
        ("launcher=accelerate", "exec accelerate launch"),
    ],
)
def test_each_launcher_has_its_own_script(launcher: str, word: str) -> None:
    assert word in carried(launcher)["launch.sh"]


def test_one_node_needs_no_rendezvous_and_several_use_volcano() -> None:
    assert "MASTER_ADDR=127.0.0.1" in carried()["rendezvous.sh"]
    assert "VC_WORKER_HOSTS" in carried("nodes=2")["rendezvous.sh"]


def test_no_value_of_the_user_is_in_a_script() -> None:
    marks = ("name=marked-run", "model.id=marked/model", "env.A=marked", "setup=[[marked]]", "labels.a=marked")
    given = carried(*marks, "model.architecture=null", "publish=git", "publish.url=https://marked.example/x", *GIT)
    plain = carried("setup=[[other]]", "publish=git", "publish.url=https://other.example/y", *GIT)
    scripts = [name for name in given if name.endswith((".sh", ".py"))]
    assert {name: given[name] for name in scripts} == {name: plain[name] for name in scripts}


def test_embedded_files_equal_those_next_to_the_manifest() -> None:
    overrides = ("launcher=accelerate", "nodes=2", "setup=[[echo,'a b  ']]", "train.run_name='é \U0001f917 '")
    beside = artifacts(*overrides)
    embedded = carried(*overrides)
    for name in beside.keys() - {"spec.yaml", "volcano.yaml"}:
        assert embedded[name] == beside[name]
    assert {"train.yaml", "merge.yaml", "accelerate.yaml", "dataset_info.json"} <= beside.keys() & embedded.keys()


def test_setup_commands_are_carried_as_argument_lists() -> None:
    commands = [["pip", "install", "a b", "$(x)"], ["true"]]
    given = carried(f"setup={json.dumps(commands)}")
    assert json.loads(given["setup.json"]) == commands


@pytest.mark.parametrize(("method", "source"), [("lora-sft", "merged"), ("full-sft", "output")])
def test_whole_weights_are_exported_in_fewer_bits(method: str, source: str) -> None:
    assert yaml.safe_load(carried(f"method={method}", QUANTIZED, "train.trust_remote_code=true")["quantize.yaml"]) == {
        "model_name_or_path": source,
        "trust_remote_code": True,
        "template": "qwen3",
        "export_dir": "quantized",
        "export_quantization_bit": 4,
        "export_quantization_dataset": "/workspace/texts.jsonl",
        "export_size": 2,
    }
