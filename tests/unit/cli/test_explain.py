"""`ftc explain`, as one types it and reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.compiling import ROOT, conf, ftc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def lines(*arguments: str) -> list[str]:
    said = ftc("explain", *arguments)
    assert (said.exit_code, said.stderr) == (0, "")
    return said.stdout.splitlines()


def test_a_key_is_told_with_all_that_set_it_and_a_mark_at_the_one_that_won() -> None:
    value, lost, won = lines("nodes", "nodes=2")
    assert value == "nodes: 2"
    assert lost.startswith("  conf/config.yaml:")
    assert lost.endswith(": 1")
    assert won == "> override 'nodes=2': 2"


def test_a_key_that_nobody_set_has_the_default() -> None:
    assert lines("cluster.fetch_cpu") == ["cluster.fetch_cpu: 2", "> the default"]


def test_a_mapping_is_told_key_by_key_and_each_once() -> None:
    said = lines("storage")
    keys = [line.partition(":")[0] for line in said if line[0] not in "> "]
    assert {"storage.workspace.claim", "storage.cache.path", "storage.min_free_gib"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_a_path_is_told_with_the_keys_that_move_it() -> None:
    said = lines("spec.tasks[0].template.spec.containers[train].env[MASTER_PORT].value", "nodes=2")
    assert said[:3] == [
        'spec.tasks[0].template.spec.containers[0].env[2].value: "29500"',
        "moved by at least these:",
        "master_port: 29500",
    ]


def test_a_field_that_a_fragment_set_names_the_line_of_its_key(tmp_path: Path) -> None:
    text = "defaults: [nvidia, _self_]\npod:\n  spec:\n    containers:\n    - name: train\n      tty: true\n"
    directory = conf(tmp_path, {"hardware/mine": text})
    arguments = ("--config-dir", directory, "hardware=mine")
    told = [
        "set by:",
        "hardware.pod.spec.containers[0].tty: true",
        f"> {directory}/hardware/mine.yaml:6:7: true",
    ]
    assert lines("spec.tasks[0].template.spec.containers[train].tty", *arguments)[1:] == told
    assert lines("-t", "job", "spec.template.spec.containers[train].tty", *arguments)[1:] == told


def test_a_field_that_a_target_set_because_of_a_fragment_names_its_key() -> None:
    said = lines("spec.tasks[0].template.spec.dnsPolicy", "pod={spec: {hostNetwork: true}}")
    assert said[1:3] == ["set by:", "pod.spec.hostNetwork: true"]


def test_a_key_that_would_move_it_is_named_though_it_is_not_set() -> None:
    said = lines("-t", "llamafactory", "learning_rate")
    assert said[0] == "train.yaml:learning_rate: 1.0e-4"
    assert said[-1] == "train.learning_rate, which is not set"


def test_a_document_is_named_before_a_colon() -> None:
    assert lines("-t", "llamafactory", "merge.yaml:template")[0] == "merge.yaml:template: qwen3"
    assert lines("-t", "job", "Job:spec.backoffLimit", "restarts=3")[0] == "spec.backoffLimit: 3"


def test_a_line_is_one_of_what_compile_prints() -> None:
    printed = ftc("compile", "nodes=3").stdout.splitlines()
    (number,) = [str(number) for number, line in enumerate(printed, 1) if line.startswith("  minAvailable")]
    assert lines(number, "nodes=3")[:3] == ["spec.minAvailable: 3", "moved by at least these:", "nodes: 3"]


def test_what_no_key_moves_is_told_so() -> None:
    assert lines("kind") == ["kind: Job", "no single key of the spec moves it"]


def test_a_key_is_told_although_the_groups_do_not_fit() -> None:
    assert lines("storage.workspace.access_mode", "nodes=2", "storage=existing-claim")[0].endswith("ReadWriteOnce")


def test_a_key_is_told_although_another_is_wrong() -> None:
    assert lines("devices", "devices=2", "nodes=none")[0] == "devices: 2"


def test_a_users_file_is_told(tmp_path: Path) -> None:
    directory = conf(tmp_path, {"hardware/mine": "defaults: [nvidia, _self_]\nimage: registry.mine/a:1\n"})
    said = lines("image", "--config-dir", directory, "hardware=mine")
    assert said[-1] == f"> {directory}/hardware/mine.yaml:2:1: registry.mine/a:1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("env.DB_PASSWORD", "env.DB_PASSWORD=hunter22"),
        ("spec.tasks[0].template.spec.containers[0].env[DB_PASSWORD].value", "env.DB_PASSWORD=hunter22"),
        ("spec.tasks[0].template.spec.containers[0].env", "env.DB_PASSWORD=hunter22"),
        ("annotations", "annotations.a='https://me:hunter22@example.com'"),
    ],
)
def test_no_secret_is_told(arguments: tuple[str, ...]) -> None:
    said = "\n".join(lines(*arguments))
    assert "***" in said
    assert "hunter22" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nodez",), "Job has no 'nodez'"),
        (("hardware.imag",), "hardware of the spec has no 'imag'; did you mean 'image'?"),
        (("train.learning_rate",), "it is set as method.arguments.learning_rate"),
        (("spec.taks",), "spec of Job has no 'taks'; did you mean 'tasks'?"),
        (("trian.x",), "did you mean 'train', a key of the spec?"),
        (("devces",), "did you mean 'devices', a key of the spec?"),
        (("train.lora_rnk",), "did you mean 'method.arguments.lora_rank'?"),
        (("spec.tasks[1]",), "spec.tasks of Job has no '1'; known: worker"),
        (("spec.queue.name",), "spec.queue of Job has no 'name'; nothing stands below it"),
        (("99999",), "there is no line 99999: the artifact has "),
        (("0",), "there is no line 0"),
        (("-t", "llamafactory", "learning_rte"), "train.yaml has no 'learning_rte'; did you mean 'learning_rate'?"),
        (("-t", "job", "Pod:spec"), "-t job has no document 'Pod'; known: Job"),
        (("-t", "llamafactory", "stage", "launcher=command", "launcher.command=[a]"), "-t llamafactory has no 'stage'"),
        (("kind", "nodes=none"), "error[FTC012 invalid-value]: nodes: "),
    ],
)
def test_what_is_not_there_is_told_with_what_is(arguments: tuple[str, ...], says: str) -> None:
    said = ftc("explain", *arguments)
    assert (said.exit_code, said.stdout) == (1, "")
    assert says in said.stderr


@pytest.mark.parametrize("what", ["nodes=2", "spec.tasks[0", "a..b", ":a", "merge.yaml:"])
def test_what_cannot_be_read_is_a_wrong_command_line(what: str) -> None:
    said = ftc("explain", what)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "Usage: ftc explain" in said.stderr


def test_a_script_has_no_paths() -> None:
    assert ftc("explain", "-t", "script", "a").exit_code == 2
