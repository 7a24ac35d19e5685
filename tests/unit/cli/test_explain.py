"""The output of `ftc explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from unit.compiling import COMMAND, ROOT, conf, ftc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def lines(*arguments: str) -> list[str]:
    """The lines, without the comments that say what a key means."""
    return [line for line in every_line(*arguments) if not line.startswith("# ")]


def every_line(*arguments: str) -> list[str]:
    said = ftc("explain", *arguments)
    assert (said.exit_code, said.stderr) == (0, "")
    return said.stdout.splitlines()


def test_a_key_has_its_type_and_its_default() -> None:
    assert every_line("cluster.fetch_cpu")[0] == "# integer, at least 1; the default is 2"
    assert every_line("naming")[0] == '# one of fixed, generate; the default is "generate"'
    assert every_line("devices")[0] == "# integer from 1 to 1000; no default"


def test_a_key_below_a_name_that_users_choose_has_its_meaning() -> None:
    quantity, text, *_ = every_line("hardware.device.slices.memory.quantity", "hardware=volcano-vgpu")
    assert quantity == "# integer, at least 1; no default"
    assert "MiB" in text
    claim = every_line("storage.more.models.claim", "storage=several-claims")
    assert claim[0] == "# text, only for kind claim; no default"
    assert every_line("env.A", "env.A=1")[0] == 'env.A: "1"'  # a name without a meaning of ftc


def test_a_key_that_another_kind_has_is_explained() -> None:
    first, *_, last = every_line("model.source.url")
    assert first == "# text, only for kind git; no default"
    assert last == "model.source.url is not set"


def test_an_argument_of_the_trainer_is_found_by_its_name_and_with_the_group_that_sets_it() -> None:
    said = every_line("learning_rate")
    assert said == every_line("train.learning_rate")
    assert said[:4] == [
        "# number; the trainer's default is 5e-05",  # transformers, training_args.py
        "# The initial learning rate for the optimizer",
        "train.learning_rate is not set",
        "the configuration has it as:",
    ]
    assert said[4] == "method.arguments.learning_rate: 1.0e-4"
    assert "train.learning_rate: 2.0e-5" in every_line("learning_rate", "train.learning_rate=2.0e-5")


def test_a_name_of_several_keys_is_refused_with_all_of_them() -> None:
    said = ftc("explain", "size")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "give one of storage.cache.size, storage.workspace.size" in said.stderr


def test_the_same_as_json() -> None:
    found = json.loads(ftc("explain", "--json", "nodes", "nodes=2").stdout)
    assert (found["key"], found["value"], found["type"]) == ("nodes", 2, "integer from 1 to 100000")
    assert [one["value"] for one in found["origins"][0]["settings"]] == [1, 2]
    place = json.loads(ftc("explain", "--format", "json", "spec.minAvailable", "nodes=3").stdout)
    assert "nodes" in [one["key"] for one in place["changed_by"]]
    secret = ftc("explain", "--json", "env.DB_PASSWORD", "env.DB_PASSWORD=hunter22").stdout
    assert "hunter22" not in secret


def test_a_key_is_explained_by_all_its_settings_with_the_last_one_marked() -> None:
    value, lost, won = lines("nodes", "nodes=2")
    assert value == "nodes: 2"
    assert lost.startswith("  conf/config.yaml:")
    assert lost.endswith(": 1")
    assert won == "> override 'nodes=2': 2"


def test_a_key_that_is_not_set_has_the_default() -> None:
    assert lines("cluster.fetch_cpu") == ["cluster.fetch_cpu: 2", "> the default"]


def test_a_mapping_is_explained_key_by_key() -> None:
    said = lines("storage")
    keys = [line.partition(":")[0] for line in said if line[0] not in "> "]
    assert {"storage.workspace.claim", "storage.cache.path", "storage.min_free_gib"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_a_path_is_explained_by_the_keys_that_change_it() -> None:
    said = lines("spec.tasks[0].template.spec.containers[train].env[MASTER_PORT].value", "nodes=2")
    assert said[:3] == [
        'spec.tasks[0].template.spec.containers[0].env[2].value: "29500"',
        "changed by at least these:",
        "master_port: 29500",
    ]


@pytest.mark.parametrize("place", ["volcano.yaml:{}", "out/volcano.yaml:{}", "/w/volcano.yaml:{}:3"])
def test_a_line_can_be_named_as_linters_name_it(place: str) -> None:
    text = ftc("compile", "nodes=2", "name=one", "naming=fixed").stdout
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line.strip() == "minAvailable: 2")
    said = lines(place.format(number), "nodes=2", "name=one", "naming=fixed")
    assert said[0] == "spec.minAvailable: 2"
    assert "nodes: 2" in said


def test_a_line_of_a_job_set_is_one_of_that_target() -> None:
    assert lines("jobset.yaml:2")[0] == "kind: JobSet"


def test_a_field_that_a_fragment_set_names_the_line_of_its_key(tmp_path: Path) -> None:
    text = "defaults: [nvidia, _self_]\npod:\n  spec:\n    containers:\n    - name: train\n      tty: true\n"
    directory = conf(tmp_path, {"hardware/mine": text})
    arguments = ("--config-dir", directory, "hardware=mine")
    expected = [
        "set by:",
        "hardware.pod.spec.containers[0].tty: true",
        f"> {directory}/hardware/mine.yaml:6:7: true",
    ]
    assert lines("spec.tasks[0].template.spec.containers[train].tty", *arguments)[1:] == expected
    assert lines("-t", "job", "spec.template.spec.containers[train].tty", *arguments)[1:] == expected


def test_a_field_that_a_target_set_because_of_a_fragment_names_its_key() -> None:
    said = lines("spec.tasks[0].template.spec.dnsPolicy", "pod={spec: {hostNetwork: true}}")
    assert said[1:3] == ["set by:", "pod.spec.hostNetwork: true"]


def test_a_key_that_is_not_set_but_would_change_it_is_named() -> None:
    said = lines("-t", "llamafactory", "learning_rate")
    assert said[0] == "train.yaml:learning_rate: 1.0e-4"
    assert said[-1] == "train.learning_rate, which is not set"


def test_a_document_is_named_before_a_colon() -> None:
    assert lines("-t", "llamafactory", "merge.yaml:template")[0] == "merge.yaml:template: qwen3"
    assert lines("-t", "job", "Job:spec.backoffLimit", "restarts=3")[0] == "spec.backoffLimit: 3"


def test_a_line_number_refers_to_the_output_of_compile() -> None:
    printed = ftc("compile", "nodes=3").stdout.splitlines()
    (number,) = [str(number) for number, line in enumerate(printed, 1) if line.startswith("  minAvailable")]
    assert lines(number, "nodes=3")[:3] == ["spec.minAvailable: 3", "changed by at least these:", "nodes: 3"]


def test_a_value_that_no_key_changes_is_reported() -> None:
    assert lines("kind") == ["kind: Job", "no single key of the spec changes it"]


def test_a_key_is_explained_although_the_groups_do_not_fit() -> None:
    assert lines("storage.workspace.access_mode", "nodes=2", "storage=existing-claim")[0].endswith("ReadWriteOnce")


def test_a_key_is_explained_although_another_is_wrong() -> None:
    assert lines("devices", "devices=2", "nodes=none")[0] == "devices: 2"


def test_a_users_file_is_named(tmp_path: Path) -> None:
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
def test_no_secret_is_printed(arguments: tuple[str, ...]) -> None:
    said = "\n".join(lines(*arguments))
    assert "***" in said
    assert "hunter22" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nodez",), "'nodez' is not in Job"),
        (("hardware.imag",), "'imag' is not in hardware of the spec; did you mean 'image'?"),
        (("spec.taks",), "'taks' is not in spec of Job; did you mean 'tasks'?"),
        (("trian.x",), "did you mean 'train', a key of the spec?"),
        (("devces",), "did you mean 'devices', a key of the spec?"),
        (("train.lora_rnk",), "did you mean 'method.arguments.lora_rank'?"),
        (("spec.tasks[1]",), "'1' is not in spec.tasks of Job; known: worker"),
        (("spec.queue.name",), "'name' is not in spec.queue of Job; nothing is below it"),
        (("99999",), "line 99999 does not exist: the artifact has "),
        (("0",), "line 0 does not exist"),
        (("-t", "llamafactory", "learning_rte"), "'learning_rte' is not in train.yaml; did you mean 'learning_rate'?"),
        (("-t", "job", "Pod:spec"), "unknown document 'Pod' of -t job; known: Job"),
        (
            ("-t", "llamafactory", "stage", "launcher=command", "launcher.command=[a]"),
            "'stage' is not in -t llamafactory",
        ),
        (("kind", "nodes=none"), "error[FTC012 invalid-value]: nodes: "),
    ],
)
def test_a_missing_key_is_reported_with_the_existing_ones(arguments: tuple[str, ...], says: str) -> None:
    said = ftc("explain", *arguments)
    assert (said.exit_code, said.stdout) == (1, "")
    assert says in said.stderr


@pytest.mark.parametrize("what", ["nodes=2", "spec.tasks[0", "a..b", ":a", "merge.yaml:"])
def test_a_malformed_path_is_a_usage_error(what: str) -> None:
    said = ftc("explain", what)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "Usage: ftc explain" in said.stderr


def test_a_script_has_no_paths() -> None:
    assert ftc("explain", "-t", "script", "a").exit_code == 2


def test_a_manifest_that_cannot_be_emitted_is_an_error_of_the_spec() -> None:
    said = ftc("explain", "-t", "volcano", "spec.tasks", "hardware.pod={spec: 3}")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "error[FTC506 invalid-pod-fragment]" in said.stderr


@pytest.mark.parametrize("overrides", [("scripts=configmap",), ("scripts=configmap", *COMMAND), ()])
def test_lines_next_to_the_origin_of_the_job_are_explained(overrides: tuple[str, ...]) -> None:
    """The runs that are compared to find a cause have no origin, so that they have one line less."""
    lines = ftc("compile", *overrides).stdout.splitlines()
    (kept,) = [number for number, line in enumerate(lines, 1) if "path: spec.yaml" in line]
    for number in range(kept - 2, kept + 4):
        said = ftc("explain", str(number), *overrides)
        assert said.exit_code == 0, said
        path = lines[number - 1].strip(" -{").partition("path: ")[2].partition(",")[0]
        assert path in said.stdout.splitlines()[0]
    for number in [
        number for number, line in enumerate(lines, 1) if "ftc.dev/version" in line or "spec.yaml: " in line
    ]:
        line = lines[number - 1]
        of_one = "keeps them as spec.yaml" if "spec.yaml" in line else "the release of ftc that compiled the job"
        about = "ftc writes here what the job was made from" if "annotations: {" in line else of_one
        assert ftc("explain", str(number), *overrides).stdout.endswith(f"{about}\n")
