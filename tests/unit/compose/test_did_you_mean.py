"""A misspelt word is answered with the right one, any other with the known words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from unit.compiling import conf, ftc, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("hardwre=ascend", "hardware"),
        ("+hardwre=ascend", "hardware"),
        ("source@modle.source=git", None),
        ("hardware=asend", "ascend"),
        ("source@model.source=gti", "git"),
        ("nodse=2", "nodes"),
        ("storage.workspace.clam=a", "claim"),
        ("hardware.device.resuorce=a.b/c", "resource"),
        ("method.stage=dop", "dpo"),
        ("launcher.kind=torchrn", "torchrun"),
        ("naming=fixd", "fixed"),
        ("engine.kind=deepsped", "deepspeed"),
        ("train.learning_rat=1.0", "learning_rate"),
        ("method.merge.export_sise=4", "export_size"),
        ("train.lr_scheduler_type=cosin", "cosine"),
        ("train.eval_strategy=step", "steps"),
        ("model.template=qwen33", "qwen3"),
        ("'dataset.names=[alpacca]'", "alpaca"),
        ("'pod={spec: {nodeSelecto: {a: b}}}'", "nodeSelector"),
        ("-c confg", "config"),
    ],
)
def test_what_is_near_is_suggested(words: str, meant: str | None) -> None:
    said = refused(*shlex.split(words))
    assert (f"did you mean '{meant}'?" if meant else "source@model.source=…") in said


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("zzzz=1", ("hardware", "nodes", "train")),
        ("method=zzzz", ("full-sft", "lora-dpo")),
        ("storage.workspace.zzzz=1", ("claim", "mount_path")),
        ("method.stage=zzzz", ("dpo", "sft")),
        ("launcher.kind=zzzz", ("accelerate", "torchrun")),
        ("train.lr_scheduler_type=zzzz", ("cosine", "linear")),
        ("'dataset.names=[zzzz]'", ("alpaca",)),
        ("-c zzzz", ("config",)),
    ],
)
def test_known_words_are_listed_if_none_is_near(words: str, known: tuple[str, ...]) -> None:
    said = refused(*shlex.split(words))
    assert "did you mean" not in said
    for word in known:
        assert word in said.replace(",", " ").split(), word


@pytest.mark.parametrize("words", ["train.zzzz=1", "model.template=zzzz"])
def test_hundreds_of_words_are_not_listed(words: str) -> None:
    said = refused(words)
    assert "known names is similar" in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hardware=asend", "did you mean 'ascend'? `ftc list hardware` lists all"),
        ("hardware=zzzz", "help: `ftc list hardware` lists all"),
        (
            "model=llama5",
            "llama-3.3-70b-instruct, llama-3.1-70b-instruct? `ftc list model` lists all",
        ),
        ("'~hardware'", "help: write hardware=…; `ftc list hardware` lists all"),
    ],
)
def test_of_many_options_the_similar_ones_are_named_and_the_command_that_lists_all(words: str, said: str) -> None:
    told = refused(*shlex.split(words))
    assert said in told
    assert all(len(line) < 250 for line in told.splitlines())


def test_a_defaults_list_names_the_command_too(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"run": "defaults:\n  - config\n  - override hardware: zzzz\n"})
    assert "`ftc list hardware` lists all" in refused("--config-dir", tree, "-c", "run")


@pytest.mark.parametrize("words", ["devices=two", "nodes=1.5", "nodes=2.0", "devices='\"2\"'"])
def test_a_non_integer_is_answered_with_an_example(words: str) -> None:
    said = refused(words)
    assert "must be an integer" in said
    assert f"help: write {words.partition('=')[0]}=" in said


@pytest.mark.parametrize(("memory", "meant"), [("10GB", "10Gi"), ("512mb", "512Mi"), ("10 Gi", "10Gi")])
def test_a_size_in_a_fragment_is_suggested_in_kubernetes_notation(memory: str, meant: str) -> None:
    limits = f"{{limits: {{memory: {memory}}}, requests: {{memory: {memory}}}}}"
    said = refused(f"pod.spec.containers=[{{name: train, resources: {limits}}}]")
    assert f"did you mean '{meant}'?" in said
    assert "[0-9]" not in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("complie",), "did you mean 'compile'?"),
        (("zzzz",), "known: "),
        (("compile", "--formt", "json"), "--format"),
        (("compile", "--format", "jsn"), "'json'"),
        (("compile", "-t", "volcan"), "'volcano'"),
        (("compile", "--ignore", "FTC209x"), "did you mean 'FTC209'?"),
    ],
)
def test_a_wrong_command_line_gets_a_suggestion(words: tuple[str, ...], answer: str) -> None:
    said = ftc(*words)
    assert (said.exit_code, said.stdout) == (2, "")
    assert answer in said.stderr


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("list", "hardwre"), "did you mean 'hardware'?"),
        (("list", "zzzz"), "known: "),
        (("rule", "FTC301x"), "did you mean 'FTC301'?"),
    ],
)
def test_groups_and_codes_are_suggested(words: tuple[str, ...], answer: str) -> None:
    said = ftc(*words)
    assert (said.exit_code, said.stdout) == (1, "")
    assert answer in said.stderr


def test_a_defaults_list_gets_a_suggestion(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"run": "defaults:\n  - config\n  - override hardwar: ascend\n"})
    assert "did you mean 'hardware'?" in refused("--config-dir", tree, "-c", "run")


def test_an_unknown_key_comes_first_and_the_missing_keys_of_its_mapping_are_one_finding(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"hardware/mine": "devise: {resource: a.b/c}\nimmage: a/b:1\nper_node: 1\n"})
    said = ftc("compile", "--config-dir", tree, "hardware=mine").stderr
    codes = [line.partition("error[")[2].partition(" ")[0] for line in said.splitlines() if "error[" in line]
    assert codes == ["FTC010", "FTC010", "FTC010", "FTC011"]
    assert "did you mean 'device'?" in said
    assert "did you mean 'image'?" in said
    (missing,) = [line for line in said.splitlines() if "is required" in line]
    for key in ("device", "image", "cpu_per_device", "memory_gib_per_device", "shm_gib_per_device"):
        assert key in missing


def test_a_suggestion_is_not_cut_by_a_limit(tmp_path: Path) -> None:
    files = ", ".join(f"a{i}: {{file_name: 1}}" for i in range(80))
    run = f"defaults: [config, _self_]\ndataset: {{info: {{{files}}}}}\nnodse: 2\nenv: {{A: [], B: {{}}}}\n"
    said = refused("--config-dir", conf(tmp_path, {"run": run}), "-c", "run")
    assert "did you mean 'nodes'?" in said
