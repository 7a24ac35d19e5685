"""Words of other programs, and words in the wrong place, get the form that works."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ftc.cli.main import cli
from ftc.spec.schema import habits
from unit.compiling import conf
from unit.loading import load

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "learning_rate=1e-4": "train.learning_rate=…",
    "lora_rank=8": "train.lora_rank=…",
    "queue=team": "cluster.queue=…",
    "claim=ws": "storage.workspace.claim=…",
    "gpus=4": "devices=…",
    "lr=1e-4": "train.learning_rate=…",
    "epochs=3": "train.num_train_epochs=…",
    "batch_size=2": "train.per_device_train_batch_size=…",
    "dataset.path=x": "dataset.source.path=…",
    "--nodes 2": "nodes=…",
    "--gpus 2": "devices=…",
    "model.source=git": "source@model.source=git",
    "model=my-model": "model=custom model.id=… model.template=…",
    "model=org/my-model": "model=custom model.id=org/my-model model.template=…",
    "model=/models/m": "source@model.source=path model.source.path=/models/m",
    "dataset=org/data": "dataset=custom dataset.id=org/data dataset.info.NAME.script_url=.",
    "dataset=/data/faq.en.jsonl": (
        "dataset=custom source@dataset.source=path dataset.source.path=/data dataset.info.faq-en.file_name=faq.en.jsonl"
    ),
    "dataset=/data/faq": "source@dataset.source=path dataset.source.path=/data/faq dataset.names=[NAME]",
    "conf/run.yaml": "--config-dir conf -c run",
    "-c conf/run.yaml": "--config-dir conf -c run",
}


def said(words: str, *, split: bool = True) -> str:
    result = CliRunner().invoke(cli, ["compile", *(words.split(" ") if split else (words,))])
    assert result.exit_code in {1, 2}
    return result.stderr


@pytest.mark.parametrize(("words", "right"), KEYS.items())
def test_the_help_has_the_form_that_works(words: str, right: str) -> None:
    assert right in said(words)


@pytest.mark.parametrize("key", sorted(set(habits().values())))
def test_a_habit_means_an_existing_key(key: str) -> None:
    assert "FTC010" not in CliRunner().invoke(cli, ["compile", f"{key}=1"]).stderr


def test_a_misspelled_option_is_not_a_key() -> None:
    assert "--ignore" in said("--ignroe x")


@pytest.mark.parametrize("text", ["env.A=a=b", "env.A=it's", "env.A=${b", "nodes", "a b=1", "labels={a: [b", "env.A={"])
def test_the_grammar_of_hydra_is_not_shown(text: str) -> None:
    result = CliRunner().invoke(cli, ["compile", text])
    assert "FTC001" in result.stderr
    for word in ("mismatched", "EQUAL", "EOF", "expecting", "token", "viable", "input"):
        assert word not in result.stderr


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("env.A=a=b", "env.A", "a=b"),
        ("env.A=it's", "env.A", "it's"),
        ('env.A=5" (x\\', "env.A", '5" (x\\'),
        ("env.GREETING=你好", "env.GREETING", "你好"),
        ("annotations={team: 客服}", "annotations.team", "客服"),
        ("annotations={a: b, c: (x}", "annotations.c", "(x"),
        ("annotations={url: http://a/客, c: 'd'}", "annotations.url", "http://a/客"),
        ("setup=[[echo, 你好]]", "setup", [["echo", "你好"]]),
        ("setup=[[echo, a(b]]", "setup", [["echo", "a(b"]]),
    ],
)
def test_the_suggested_quotes_work_when_pasted(text: str, path: str, value: object) -> None:
    pasted = said(text, split=False).partition(" for the shell: ")[2].partition("\n")[0]
    (override,) = shlex.split(pasted)
    found = load(CliRunner().invoke(cli, ["show", override]).stdout)
    for key in path.split("."):
        found = found[key]
    assert found == value


def test_an_option_of_other_letters_can_be_chosen(tmp_path: Path) -> None:
    tree = conf(tmp_path, {"dataset/客服": "id: a/b\nnames: [alpaca]\n"})
    said = CliRunner().invoke(cli, ["compile", "--config-dir", tree, "dataset=客服"]).stderr
    (override,) = shlex.split(said.partition(" for the shell: ")[2].partition("\n")[0])
    assert "FTC001" not in CliRunner().invoke(cli, ["show", "--config-dir", tree, override]).stderr
    assert "FTC003" not in CliRunner().invoke(cli, ["show", "--config-dir", tree, override]).stderr


@pytest.mark.parametrize("text", ["labels.团队=客服", "labels.团队=a", "labels={团队: a}", "模型=a"])
def test_a_key_of_other_letters_goes_into_a_file(text: str) -> None:
    assert "help: write it into a file" in said(text, split=False)


def test_shipped_files_have_a_name_that_does_not_depend_on_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = said("method=lora-dpo")
    assert "<ftc>/conf/method/lora-dpo.yaml:" in found
    assert " | stage: dpo" in found, "with the line of the file"


NIGHTLY = "defaults: [config, _self_]\nnodes: 2\n"


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("dataset=faq-zh", "./conf/dataset/faq-zh.yaml exists: add --config-dir conf"),
        ("source@model.source=mine", "./conf/source/mine.yaml exists: add --config-dir conf"),
        ("-c nightly.yaml", ": -c nightly\n"),
        ("-c conf/nightly.yaml", ": -c nightly\n"),
        ("-c runs/a.yaml", ": -c runs/a\n"),
        ("nightly.yaml", ": -c nightly\n"),
        ("-c other/b.yaml", ": --config-dir other -c b\n"),
    ],
)
def test_what_exists_in_conf_is_named(words: str, right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"nightly": NIGHTLY, "runs/a": NIGHTLY, "dataset/faq-zh": "id: a/b\n", "source/mine": "kind: git\n"}
    conf(tmp_path / "conf", files)
    assert right in said(words)


def test_a_golden_case_with_a_file_as_its_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    conf(tmp_path / "conf", {"nightly": NIGHTLY})
    conf(tmp_path / "golden", {"night/case": "why: It is tested.\nconfig: nightly.yaml\n"})
    assert ": -c nightly\n" in CliRunner().invoke(cli, ["golden", "update"]).stderr


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("model.id=/workspace/models/x", "source@model.source=path model.source.path=/workspace/models/x"),
        ("model.source.path=/x", "add source@model.source=path"),
        ("publish.branch=main", "add publish=huggingface"),
        ("engine.stage=3", "add engine.kind=deepspeed"),
        ("model.source.token=hf_abc", "write model.source.token.secret=NAME"),
        ("publish=git publish.credentials=git publish.url=https://a/b", "write publish.credentials.secret=NAME"),
        ("dataset.names=data", "write 'dataset.names=[data]'"),
        ("hardware.memory_gib_per_device=64Gi", "write hardware.memory_gib_per_device=64\n"),
        ("hardware=nvidia-hami hardware.device.slices.memory.quantity=8Gi", "write a number without a unit. The "),
        ("ttl_seconds_after_finished=7d", "write a number without a unit. "),
        ("tracking=mlflow", "tracking.mlflow.uri: needs a value"),
    ],
)
def test_the_help_has_the_words_to_write(words: str, right: str) -> None:
    assert right in said(words)


def test_a_value_that_others_refer_to_is_reported_once() -> None:
    found = said("cluster.hub_endpoint=hf-mirror.com")
    assert found.count("error[") == 1
    assert "override 'cluster.hub_endpoint=hf-mirror.com': error[FTC012 invalid-value]" in found


@pytest.mark.parametrize(("word", "option"), [pair for pair in habits().items() if "=" in pair[0]])
def test_a_habit_means_an_existing_option(word: str, option: str) -> None:
    assert f"did you mean {option}?" in said(word)
    assert "FTC003" not in CliRunner().invoke(cli, ["compile", option]).stderr


def test_explain_of_a_code_names_the_command() -> None:
    assert "`ftc rule FTC303`" in CliRunner().invoke(cli, ["explain", "FTC303"]).stderr
