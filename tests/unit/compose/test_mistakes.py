"""Each mistake is reported at its place, with what to do, and nothing goes to stdout."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from unit.compiling import COMMAND, conf, errors, ftc, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _in_a_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mine(files: dict[str, str]) -> tuple[str, str]:
    """Write a user's conf tree to `mine`."""
    from pathlib import Path  # noqa: PLC0415 - a fixture sets the working directory

    return "--config-dir", conf(Path("mine"), files)


@pytest.mark.parametrize(
    ("override", "key", "meant"),
    [
        ("hardwar=ascend", "hardwar", "hardware"),
        ("nodez=2", "nodez", "nodes"),
        ("storage.worksapce.claim=x", "storage.worksapce", "workspace"),
        ("storage.workspace.clam=x", "storage.workspace.clam", "claim"),
        ("hardware.device.resorce=a.b/c", "hardware.device.resorce", "resource"),
        ("cluster.volcanoo=1.10", "cluster.volcanoo", "volcano"),
        ("+launchr=x", "launchr", "launcher"),
        ("++nodez=1", "nodez", "nodes"),
        ("+storage.workspace.clam=x", "storage.workspace.clam", "claim"),
        ("method.mergee={a: 1}", "method.mergee", "merge"),
        ("train.learning_rat=1.0e-5", "train.learning_rat", "learning_rate"),
        ("method.merge.export_sice=4", "method.merge.export_sice", "export_size"),
    ],
)
def test_an_unknown_key_is_reported_at_its_override_with_a_suggestion(override: str, key: str, meant: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[" in said
    assert f" {key}: " in said
    assert f"did you mean '{meant}'?" in said


@pytest.mark.parametrize(
    ("override", "option", "meant"),
    [
        ("hardware=asend", "asend", "ascend"),
        ("launcher=torchrum", "torchrum", "torchrun"),
        ("engine=deepspeed-z33", "deepspeed-z33", "deepspeed-z3"),
        ("source@model.source=huggingfase", "huggingfase", "huggingface"),
        ("model=qwen3_8b", "qwen3_8b", "qwen3-8b"),
    ],
)
def test_an_unknown_option_is_reported_with_a_suggestion(override: str, option: str, meant: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[" in said
    assert f"'{option}'" in said
    assert f"did you mean '{meant}'?" in said


def test_an_option_unlike_any_other_is_answered_with_the_command_that_lists_all() -> None:
    assert "help: `ftc list hardware` lists all\n" in refused("hardware=tpu-v5-litepod")


def test_the_empty_option_is_refused() -> None:
    assert "override 'hardware=': error[" in refused("hardware=")


@pytest.mark.parametrize("override", ["hardware=null", "~hardware"])
def test_a_group_cannot_be_left_out(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[" in said
    assert "None" not in said
    assert "hardware.image" not in said, "a consequence of the first mistake is not reported"


@pytest.mark.parametrize("override", ["source=git", "hardware@foo=ascend"])
def test_a_group_in_an_unused_package_is_reported_at_its_override(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[" in said
    assert "help: " in said


def test_an_added_group_without_a_key_in_the_spec_is_reported() -> None:
    said = refused("+source=git")
    assert " source: unknown key" in said
    assert "set source.url" not in said


@pytest.mark.parametrize("override", ["nodes", "=3", "a b", "nodes=[1", ""])
def test_a_malformed_override_is_reported(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[FTC001 invalid-override]" in said
    assert "group=option or key=value" in said


@pytest.mark.parametrize("override", ["env.X=a=b", "env.X=http://a.example/?b=c", "env.X=it's"])
def test_a_value_that_needs_quotes_is_reported_with_the_quotes(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[FTC001 invalid-override]" in said
    assert "quote" in said


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("nodes=two", "an integer"),
        ("nodes=1.5", "an integer"),
        ("nodes=", "an integer"),
        ("nodes=true", "an integer"),
        ("nodes=[1]", "an integer"),
        ("nodes=0", "at least 1"),
        ("nodes=-1", "at least 1"),
        ("nodes.x=1", "an integer"),
        ("name.x=1", "a string"),
        ("env.A.B=1", "a string"),
        ("env=3", "a mapping"),
        ("launcher.args=3", "a list"),
        ("cluster.hami_with_volcano=perhaps", "true or false"),
        ("naming=random", "one of fixed, generate"),
        ("method.stage=dpoo", "'dpo'"),
        ("master_port=80", "at least 1024"),
        ("restarts=-1", "at least 0"),
    ],
)
def test_a_wrong_value_is_reported_at_its_override_with_the_expected_type(override: str, wanted: str) -> None:
    command = COMMAND if override.startswith("launcher") else ()
    said = refused(*command, override)
    assert f"override '{override}': error[FTC012 invalid-value]" in said
    assert wanted in said


@pytest.mark.parametrize(
    "override",
    [
        "name=Foo",
        "name=a.b",
        "name=-a",
        "namespace=kube_system",
        "labels.a=-x",
        "labels={a/b/c: x}",
        "image=a b",
        "image=",
        "cluster.queue=Default",
        "storage.workspace.mount_path=workspace",
        "storage.workspace.mount_path=/",
        "storage.workspace.mount_path=/a/../b",
        "storage.cache.path=/workspace/..",
        "cluster.kueue_queue=Bad_Q",
        "cluster.kueue_queue=" + "q" * 64,
        "storage.workspace.claim=My_Claim",
        "hardware.device.resource=gpu",
        "trainer.llamafactory=nine",
    ],
)
def test_a_malformed_value_is_reported_with_the_expected_format(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[FTC012 invalid-value]" in said
    assert "help: " in said


@pytest.mark.parametrize("override", ["labels={1: a}", "pod={spec: {nodeSelector: {1: a}}}", "setup=[[{true: a}]]"])
def test_a_key_that_is_not_a_string_is_reported(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[FTC001 invalid-override]: the key " in said
    assert "in quotes" in said


def test_an_invalid_variable_name_is_reported_with_the_format() -> None:
    said = refused("env.A-B=1")
    assert "override 'env.A-B=1': error[FTC012 invalid-value]: env" in said
    assert "A-B" in said
    assert "help: " in said


@pytest.mark.parametrize(
    "override", ["nodes=3000000000", "restarts=3000000000", "ttl_seconds_after_finished=3000000000"]
)
def test_a_number_too_large_for_kubernetes_is_refused(override: str) -> None:
    assert f"override '{override}': error[" in refused(override)


def test_keys_required_by_a_kind_are_reported_at_the_override_of_the_kind() -> None:
    said = refused("engine.kind=deepspeed")
    assert "override 'engine.kind=deepspeed': error[FTC011 missing-key]: engine.stage: " in said


@pytest.mark.parametrize("override", ["nodes=1,2", "nodes=choice(1,2)", "nodes=range(1,4)", "hardware=nvidia,ascend"])
def test_a_sweep_is_refused(override: str) -> None:
    assert f"override '{override}': error[FTC003 unknown-option]" in refused(override)


def test_chance_is_refused() -> None:
    assert "shuffle" in refused(*COMMAND, "launcher.args=shuffle([a,b,c])")


def test_a_value_with_a_comma_gets_help() -> None:
    assert "'env.A=\"a,b\"'" in refused("env.A=a,b").replace("key=", "env.A=")
    assert ftc("compile", 'env.A="a,b"').exit_code == 0


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("name='a", "the quote ' is not closed"),
        ('name="a', 'the quote " is not closed'),
        ("env.X=it's", "the quote ' is not closed"),
        ("setup=[a,'b,c]", "the quote ' is not closed"),
        ("dataset=[alpaca,x", "the bracket [ is not closed"),
        ("env={A: 'b]'", "the bracket { is not closed"),
        ("setup=[{a: b]", "the bracket { is not closed"),
        ("labels={a: [b}", "the bracket [ is not closed"),
        ("env.X=$(x)", "'(' needs quotes"),
    ],
)
def test_a_value_that_lacks_its_end_is_reported_with_what_is_open(override: str, said: str) -> None:
    assert f"is not an override: {said}" in refused(override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("~name", "deletes 'name', but no config sets it"),
        ("~env.A", "deletes 'env.A', but no config sets it"),
        ("~train=3", "deletes 'train' if it is 3, but it is not"),
        ("modl@a=x", "'modl' is not a group"),
        ("+modl@a=x", "'modl' is not a group"),
        ("setup.0=a", "write the whole list: 'setup=[a,b]'"),
        ("dataset.names.k=x", "write the whole list: 'dataset.names=[a,b]'"),
    ],
)
def test_an_override_that_changes_nothing_is_reported_without_the_words_of_hydra(override: str, said: str) -> None:
    found = refused(override)
    assert f"override '{override}': error[FTC003" in found
    assert said in found
    assert "onfig group" not in found


@pytest.mark.parametrize("key", ["nodes", "image", "trainer.llamafactory", "storage.workspace"])
def test_a_required_key_cannot_be_deleted(key: str) -> None:
    said = refused(f"~{key}")
    assert f"override '~{key}': error[" in said
    assert f" {key}: " in said
    assert f"set {key}" in said


def test_an_unknown_key_cannot_be_deleted() -> None:
    assert "override '~typo': error[" in refused("~typo")


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "${oc.env:HOME,x}", "${now:%Y}", "${oc.select:nodes}", "x-${oc.decode:1}"]
)
def test_a_resolver_is_refused_in_an_override_and_in_a_file(text: str) -> None:
    assert f"override 'name={text}': error[FTC006 no-resolvers]" in refused(f"name={text}")
    files = {"run": f"defaults: [config, _self_]\nenv:\n  A: '{text}'\n", "other": "a: 1\n"}
    assert "mine/run.yaml:3:3: error[FTC006 no-resolvers]: env.A: " in refused(*mine(files), "-c", "run")


def test_a_resolver_in_a_list_and_in_a_mapping_of_an_override_is_refused() -> None:
    assert "error[FTC006 no-resolvers]" in refused("launcher=command", "launcher.command=['${oc.env:HOME}']")
    assert "error[FTC006 no-resolvers]" in refused("env={A: '${oc.env:HOME}'}")


def test_a_resolver_in_a_defaults_list_is_refused() -> None:
    files = {"run": "defaults:\n  - config\n  - override hardware: ${oc.env:HARDWARE}\n"}
    assert "mine/run.yaml:3:5: error[FTC006 no-resolvers]" in refused(*mine(files), "-c", "run")


def test_a_resolver_can_be_escaped() -> None:
    assert "value: '${oc.env:HOME}'" in ftc("compile", r"env.A=\${oc.env:HOME}").stdout


def test_an_unresolved_reference_is_reported_at_its_place() -> None:
    assert "override 'name=${nope}': error[FTC004 unresolved-reference]: name: " in refused("name=${nope}")
    files = {"run": "defaults: [config, _self_]\nenv:\n  A: ${storage.nope}\n"}
    (line,) = errors(*mine(files), "-c", "run")
    assert line.startswith("mine/run.yaml:3:3: error[FTC004 unresolved-reference]: env.A: ")
    assert "storage.nope" in line


def test_a_reference_cycle_is_reported() -> None:
    assert "override 'name=${name}': error[FTC004 unresolved-reference]: name: " in refused("name=${name}")
    files = {"run": "defaults: [config, _self_]\nenv:\n  A: ${env.B}\n  B: ${env.A}\n"}
    said = refused(*mine(files), "-c", "run")
    assert "mine/run.yaml:3:3: error[FTC004 unresolved-reference]: env.A: " in said


def test_a_missing_value_is_reported_once_at_its_key() -> None:
    found = errors("model=custom")
    assert len(found) == 2, found
    assert "conf/model/custom.yaml:" in found[0]
    assert "error[FTC005 missing-value]: model.id: " in found[0]
    assert "error[FTC005 missing-value]: model.template: " in found[1]
    assert "help: set model.id=" in refused("model=custom")


def test_a_missing_value_in_a_list_or_an_override_is_reported() -> None:
    assert "override 'name=???': error[FTC005 missing-value]: name: " in refused("name=???")
    assert "error[FTC005 missing-value]" in refused("launcher=command", "launcher.command=[???]")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("cpu_per_device: 1\ncpu_per_device: 2\n", "mine/hardware/bad.yaml:2:1"),
        ("cpu_per_device: [1\n", "mine/hardware/bad.yaml:2:1"),
        ("device:\n\tresource: x\n", "mine/hardware/bad.yaml:2:1"),
        ("- a\n", "mine/hardware/bad.yaml:1:1"),
    ],
)
def test_an_unreadable_file_has_one_finding(text: str, position: str) -> None:
    (line,) = errors(*mine({"hardware/bad": text}), "hardware=bad")
    assert line.startswith(f"{position}: error[FTC002 unreadable-file]: ")


def test_an_unreadable_primary_config_has_one_finding() -> None:
    (line,) = errors(*mine({"run": "nodes: 1\nnodes: 2\n"}), "-c", "run")
    assert line.startswith("mine/run.yaml:2:1: error[FTC002 unreadable-file]: ")


def test_an_option_that_extends_itself_is_reported_with_help() -> None:
    said = refused(*mine({"hardware/nvidia": "defaults: [nvidia, _self_]\ncpu_per_device: 3\n"}))
    assert "mine/hardware/nvidia.yaml:1:" in said
    assert "another name" in said


def test_options_that_extend_each_other_are_reported_with_a_file() -> None:
    files = {"hardware/a": "defaults: [b]\n", "hardware/b": "defaults: [a]\n"}
    (line,) = errors(*mine(files), "hardware=a")
    assert line.startswith(("mine/hardware/a.yaml:1:", "mine/hardware/b.yaml:1:"))


@pytest.mark.parametrize(
    ("item", "column", "word"),
    [
        ("hardware: nothing", 5, "nothing"),
        ("override hardware: asend", 5, "'ascend'"),
        ("override hardwar: ascend", 5, "'hardware'"),
        ("confg", 5, "'config'"),
        ("3", 5, ""),
        ("{a: 1, b: 2, c: 3}", 5, ""),
        ("override hardware: ${nope}", 5, "nope"),
        ("override hardware: 3", 5, ""),
    ],
)
def test_a_wrong_item_of_a_defaults_list_is_reported_at_its_place(item: str, column: int, word: str) -> None:
    said = refused(*mine({"run": f"nodes: 2\ndefaults:\n  - config\n  - {item}\n"}), "-c", "run")
    assert f"mine/run.yaml:4:{column}: error[" in said
    assert word in said


def test_a_defaults_list_that_is_not_a_list_is_reported_at_its_place() -> None:
    assert "mine/run.yaml:2:1: error[" in refused(*mine({"run": "nodes: 2\ndefaults: config\n"}), "-c", "run")


def test_an_unknown_primary_config_is_reported_with_the_known_ones() -> None:
    said = refused(*mine({"my-run": "defaults: [config]\n"}), "-c", "my-rum")
    assert "'my-rum'" in said
    assert "did you mean 'my-run'?" in said


def test_a_wrong_key_of_a_file_has_the_files_position() -> None:
    files = {"run": "defaults:\n  - config\n  - _self_\nnodes: two\nstorage:\n  workspace:\n    clam: x\n"}
    said = refused(*mine(files), "-c", "run")
    assert "mine/run.yaml:4:1: error[FTC012 invalid-value]: nodes: " in said
    assert "mine/run.yaml:7:5: error[FTC010 unknown-key]: storage.workspace.clam: " in said


def test_the_position_is_in_the_file_that_wins() -> None:
    files = {"run": "defaults:\n  - config\n  - _self_\nnodes: 2\n", "hardware/mine": "cpu_per_device: 0\n"}
    files["hardware/mine"] = "defaults: [nvidia, _self_]\n" + files["hardware/mine"]
    (line,) = errors(*mine(files), "-c", "run", "hardware=mine")
    assert line.startswith("mine/hardware/mine.yaml:2:1: error[FTC012 invalid-value]: hardware.cpu_per_device: ")
    assert errors(*mine(files), "hardware=mine", "hardware.cpu_per_device=-1")[0].startswith("override ")


def test_a_string_that_yaml_reads_as_a_number_gets_help() -> None:
    files = {"cluster/mine": "defaults: [generic, _self_]\nvolcano: 1.10\n"}
    said = refused(*mine(files), "cluster=mine")
    assert "mine/cluster/mine.yaml:2:1: error[FTC012 invalid-value]: cluster.volcano: " in said
    assert "1.10" in said


def test_all_mistakes_are_reported_in_the_order_of_their_places() -> None:
    files = {
        "run": "defaults:\n  - config\n  - _self_\ndevices: none\ntypo: 1\n",
        "storage/bad": "defaults: [shared, _self_]\nworkspace: {claim: ''}\n",
    }
    overrides = ("hardware=asend", "nodes=two", "model=custom", "model.template=qwen3", "name=${nope}")
    found = errors(*mine(files), "-c", "run", "storage=bad", *overrides)
    for part in ("'asend' is not an option of hardware", " nodes: ", " devices: ", " typo: ", " model.id: ", " name: "):
        assert any(part in line for line in found), (part, found)
    assert any(line.startswith("mine/storage/bad.yaml:2:") for line in found)
    assert len(found) == len(set(found)) == 7, found
    places = [line for line in found if line.startswith("mine/run.yaml")]
    assert places == sorted(places)


def test_findings_of_rules_are_reported_together() -> None:
    found = errors("devices=9", "train.learning_rat=1", "model.template=qwen33", "env.NNODES=3")
    assert [code for code in ("FTC301", "FTC404", "FTC405", "FTC106") if not any(code in line for line in found)] == []


@pytest.mark.parametrize(
    "override",
    [
        "pod={spec: 3}",
        "pod={spec: {containers: 3}}",
        "pod={spec: {containers: [3]}}",
        "pod={spec: {volumes: {name: x}}}",
        "pod={spec: {nodeSelecto: {a: b}}}",
        "pod={metadata: 3}",
        "hardware.pod={spec: {tolerations: {key: a}}}",
        "cluster.pod={spec: {containers: [{name: train, env: [{name: 3}]}]}}",
        "pod={spec: {containers: [{name: train, env: {A: x}}]}}",
        "pod={spec: {containers: [{image: x}]}}",
        "pod={status: {}}",
    ],
)
def test_a_fragment_that_is_not_a_pod_template_is_refused(override: str) -> None:
    said = refused(override)
    assert f"override '{override}': error[" in said


@pytest.mark.parametrize("version", ["1.8", "1.99", "1.007"])
@pytest.mark.parametrize("key", ["cluster.volcano", "cluster.kubernetes"])
def test_an_unknown_version_is_reported_with_the_known_ones(key: str, version: str) -> None:
    said = refused(f"{key}={version}")
    assert f"override '{key}={version}': error[" in said
    assert ("1.12" if key == "cluster.volcano" else "1.31") in said or "1.29" in said or "1.9" in said


def test_the_installed_command_reports_the_same_and_prints_nothing_to_stdout() -> None:
    command: list[str | bytes] = [
        sys.executable,
        "-m",
        "ftc.cli.main",
        "compile",
        "nodes=two",
        b"env.A=\xff",
        "hardware=asend",
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.count(b"error[") == 3
    assert b"Traceback" not in done.stderr


BASE = "defaults: [config, _self_]\n"
LIST = "defaults:\n  - config\n  - {}\n  - _self_\n"


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        (LIST.format("modl: qwen3-8b"), "3:5", "group 'modl' does not exist"),
        (LIST.format("override modl: qwen3-8b"), "3:5", "group 'modl' does not exist"),
        (LIST.format("model: qwen3-8b"), "3:5", "write `- override model: qwen3-8b`"),
        (LIST.format("optional model: qwen3-8b"), "3:5", "write `- override model: qwen3-8b`"),
        (LIST.format("5"), "3:5", "is neither a config nor a group with an option"),
        (LIST.format("override model: [qwen3-8b, qwen3-4b]"), "3:5", "a group has one option, not a list"),
        (LIST.format("override model: ${nodes}"), "3:5", "a choice cannot refer to a key of the spec"),
        (LIST.format("{override model: qwen3-8b, override dataset: alpaca}"), "3:5", "chooses several groups"),
        (LIST.format("[]"), "3:5", "is neither a config nor a group with an option"),
        (LIST.format("[config]"), "3:5", "is neither a config nor a group with an option"),
        (LIST.format("{}"), "3:5", "is neither a config nor a group with an option"),
        ("defaults:\n  - override model: qwen3-8b\n  - model: qwen3-4b\n", "2:5", "move it below that item"),
        ("defaults: config\n", "1:1", "defaults must be a list"),
        (f"{BASE}env: [a, b]\n", "2:1", "env: must be a mapping"),
        (f"{BASE}model:\n  arguments: [a]\n", "3:3", 'model.arguments: is ["a"], and must be a mapping'),
        (f"{BASE}setup: {{a: b}}\n", "2:1", "setup: must be a list"),
        (f"{BASE}name: ${{model.id\n", "2:1", "has a reference without its closing brace"),
        (f"{BASE}name: ${{nokey}}\n", "2:1", "refers to 'nokey', which does not exist"),
        (f"{BASE}name: ${{oc.env:X}}\n", "2:1", 'pass the value as an override: ftc compile KEY="$VARIABLE"'),
        (f"{BASE}nodes: 1\nnodes: 2\n", "3:1", "duplicate key 'nodes'"),
        (f"{BASE}setup: [[a]\n", "3:1", "the list that begins at mine/run.yaml:2:8 lacks a closing ] here"),
        (f"{BASE}env: {{A: b\n", "3:1", "the mapping that begins at mine/run.yaml:2:6 lacks a closing } here"),
        (f"{BASE}train:\n\tlr: 5\n", "3:1", "a tab is used for indentation"),
        (f"{BASE}name: @x\n", "2:7", "a value cannot begin with @"),
        (f"{BASE}name: `x`\n", "2:7", "a value cannot begin with `"),
        (f"{BASE}nodes: 1\r# a\u2028name: @x\n", "4:7", "a value cannot begin with @"),
        (f"{BASE}nodes: 1\rname: \x01\n", "3:7", "control characters are not allowed"),
        (f"{BASE}name: a: b\n", "2:8", "a second ': ' in one value"),
        (f'{BASE}name: "a\n', "3:1", "the quote that begins at mine/run.yaml:2:7 is not closed"),
        (f"{BASE}name: *x\n", "2:7", "an alias (*) without its anchor (&)"),
        (f"{BASE}---\nnodes: 2\n", "2:1", "a second document begins here"),
        ("defaults:\n  - config\n  nodes: 2\n", "3:3", "is not an item of the list that begins at mine/run.yaml:2:3"),
        (f"# @package foo..bar\n{BASE}", "1:1", "'foo..bar' is not a package"),
        (f"# @package a b\n{BASE}", "1:1", "'a b' is not a package"),
        (f"# @package _globl_\n{BASE}", "1:1", "'_globl_' is not a package"),
    ],
)
def test_a_mistake_in_a_file_is_reported_at_its_line_without_the_words_of_hydra(text: str, at: str, said: str) -> None:
    message = refused(*mine({"run": text}), "-c", "run")
    assert f"mine/run.yaml:{at}: error[" in message
    assert said in message
    assert not [word for word in ("Hydra", "OmegaConf", "Config", "Error", "token", "scalar") if word in message]


@pytest.mark.parametrize("package", ["_global_", "_group_", "_here_", "_group_.more", "model.source", "train"])
def test_a_package_of_hydra_is_accepted(package: str) -> None:
    from ftc.compose.files import _wrong_package  # noqa: PLC0415 - private

    assert not _wrong_package(f"# @package {package}\nnodes: 2\n")


PARENT = {"model/base": "defaults:\n  - /source@source: huggingface\nid: a/b\ntemplate: qwen3\n"}


@pytest.mark.parametrize(
    ("text", "place", "help_"),
    [
        (
            "defaults: [base, /source@source: path, _self_]\nsource: {path: /w/m}\n",
            "1:18",
            "write `- override /source@source: path`",
        ),
        (
            "defaults:\n  - override /source@source: git\n  - _self_\nid: a/b\n",
            "2:5",
            "drop `override`: write `- /source@source: git`",
        ),
        (
            "defaults:\n  - base\n  - override /hardware@hardware: ascend\n",
            "3:5",
            "choose it in the run: hardware=ascend",
        ),
    ],
)
def test_an_override_too_many_or_too_few_in_a_users_option(text: str, place: str, help_: str) -> None:
    said = refused(*mine({**PARENT, "model/my": text}), "model=my")
    assert said.startswith(f"mine/model/my.yaml:{place}: error[FTC003 unknown-option]: ")
    assert help_ in said


def test_the_advice_about_override_works() -> None:
    for item in ("base, override /source@source: path", "/source@source: path"):
        text = f"defaults: [{item}, _self_]\nid: a/b\ntemplate: qwen3\nsource: {{path: /workspace/m}}\n"
        said = ftc("show", *mine({**PARENT, "model/my": text}), "model=my")
        assert said.exit_code == 0, said.stderr


@pytest.mark.parametrize(
    ("run", "words", "help_"),
    [
        ("defaults:\n  - override hardware: ascend\n", (), "begin `defaults` of mine/run.yaml with `- config`"),
        ("defaults: [_self_]\nnodes: 2\n", ("hardware=ascend",), "begin `defaults` of mine/run.yaml with `- config`"),
        ("defaults:\n  - config\n  - override source@foo: git\n", (), "choose it at its place: "),
        ("defaults:\n  - config\n  - override extra: a\n", (), "drop `override`: write `- extra: a`"),
    ],
)
def test_an_override_of_nothing_in_a_run(run: str, words: tuple[str, ...], help_: str) -> None:
    assert help_ in refused(*mine({"run": run, "extra/a": "a: 1\n"}), "-c", "run", *words)
