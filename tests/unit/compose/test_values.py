"""The meaning of an override: the string as written, or a number, a list or a reference."""

from __future__ import annotations

from typing import Any

import pytest

from unit.compiling import COMMAND, document, ftc, job, trainer, variables, without_origin


@pytest.mark.parametrize(
    ("override", "path", "text"),
    [
        ("cluster.volcano=1.10", ("cluster", "volcano"), "1.10"),
        ("cluster.kubernetes=1.30", ("cluster", "kubernetes"), "1.30"),
        ("trainer.llamafactory=0.10", ("trainer", "llamafactory"), "0.10"),
        ("env.X=8", ("env", "X"), "8"),
        ("env.X=08", ("env", "X"), "08"),
        ("env.X=1e3", ("env", "X"), "1e3"),
        ("env.X=1_000", ("env", "X"), "1_000"),
        ("env.X=true", ("env", "X"), "true"),
        ("env.X=True", ("env", "X"), "True"),
        ("env.X=yes", ("env", "X"), "yes"),
        ("env.X=inf", ("env", "X"), "inf"),
        ("env.X=", ("env", "X"), ""),
        ("env.X='a=b'", ("env", "X"), "a=b"),
        ("env.X='a,b'", ("env", "X"), "a,b"),
        ("env.X='null'", ("env", "X"), "null"),
        ("env.X='  '", ("env", "X"), "  "),
        ("env.X=http://a.example:80/b?c", ("env", "X"), "http://a.example:80/b?c"),
        ("model.source.revision=2024", ("model", "source", "revision"), "2024"),
        ("labels.build=007", ("labels", "build"), "007"),
        ("storage.workspace.claim=12", ("storage", "workspace", "claim"), "12"),
    ],
)
def test_a_string_is_kept_as_written(override: str, path: tuple[str, ...], text: str) -> None:
    value: Any = document("spec.yaml", override)
    for key in path:
        value = value[key]
    assert value == text


@pytest.mark.parametrize(
    ("written", "elements"),
    [
        ("[--epochs,3,0.5]", ["--epochs", "3", "0.5"]),
        ("[1.10,0.50]", ["1.10", "0.50"]),
        ("[007,1e3,1_000]", ["007", "1e3", "1_000"]),
        ("[true,False,No]", ["true", "False", "No"]),
        ("[a b,'3',\"x, y\"]", ["a b", "3", "x, y"]),
        ("['--a=b',.,'']", ["--a=b", ".", ""]),
        ("[ 3 , 3.0 ]", ["3", "3.0"]),
        ("[3,'4',3]", ["3", "4", "3"]),
        ("[]", []),
    ],
)
def test_elements_of_a_list_of_strings_are_kept_as_written(written: str, elements: list[str]) -> None:
    container = trainer(*COMMAND, f"launcher.args={written}")
    assert container["args"] == ["python", "train.py", *elements]


def test_elements_of_a_list_of_lists_of_strings_are_kept_as_written() -> None:
    assert document("spec.yaml", "setup=[[sleep,3],[echo,1.10]]")["setup"] == [["sleep", "3"], ["echo", "1.10"]]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.learning_rate=1e-5", 1.0e-5),
        ("train.learning_rate=1.0e-5", 1.0e-5),
        ("train.max_steps=10", 10),
        ("train.bf16=false", False),
        ("train.lora_target=[q_proj,v_proj]", ["q_proj", "v_proj"]),
        ("train.run_name='8'", "8"),
        ("train.val_size=0.1", 0.1),
    ],
)
def test_an_argument_of_the_trainer_keeps_its_type(override: str, value: object) -> None:
    name = override.partition("=")[0].removeprefix("train.")
    written = document("train.yaml", override)[name]
    assert written == value
    assert type(written) is type(value)


def test_a_reference_is_replaced() -> None:
    found = variables(trainer("name=a-run", "env.RUN=${name}", "env.AT=${cluster.queue}/${name}"))
    assert (found["RUN"], found["AT"]) == ("a-run", "default/a-run")


def test_null_is_null() -> None:
    assert document("spec.yaml", "method.merge=null")["method"]["merge"] is None
    assert "ftc.dev/merge.yaml" not in ftc("compile", "method.merge=null").stdout


def test_a_mapping_is_merged_over_the_existing_one() -> None:
    workspace = document("spec.yaml", "storage.workspace={claim: mine, sub_path: a}")["storage"]["workspace"]
    assert workspace["claim"] == "mine"
    assert workspace["sub_path"] == "a"
    assert workspace["mount_path"] == "/workspace"


def test_a_group_can_be_given_as_a_mapping() -> None:
    assert document("spec.yaml", "cluster={queue: research}")["cluster"]["queue"] == "research"


def test_keys_with_dots_and_slashes_can_be_given_in_a_mapping() -> None:
    labels = job("labels={example.com/team: research, b.c/d: x}")["metadata"]["labels"]
    assert labels["example.com/team"] == "research"
    assert labels["b.c/d"] == "x"


def test_the_last_override_wins() -> None:
    assert document("spec.yaml", "nodes=2", "nodes=3")["nodes"] == 3
    assert document("spec.yaml", "hardware=ascend", "hardware=cpu")["hardware"]["device"] is None


@pytest.mark.parametrize("sign", ["+", "++", ""])
def test_a_key_of_the_spec_can_be_set_with_and_without_a_plus(sign: str) -> None:
    assert document("spec.yaml", f"{sign}cluster.priority_class=high")["cluster"]["priority_class"] == "high"
    assert document("spec.yaml", f"{sign}nodes=2")["nodes"] == 2


def test_an_optional_key_can_be_deleted() -> None:
    assert "save_steps" not in document("train.yaml", "~method.arguments.save_steps")


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_blanks_before_a_value_are_not_part_of_it(blank: str) -> None:
    with_blank, usual = ftc("compile", f"labels={blank}{{a: b}}").stdout, ftc("compile", "labels={a: b}").stdout
    assert without_origin(with_blank) == without_origin(usual)
