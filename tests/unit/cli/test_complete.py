"""Answers to a shell that completes a word; `test_completion_in_shells.py` types in real shells."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ftc.cli import words
from ftc.cli.complete import answer, main, split
from unit.compiling import ROOT


def offered(*typed: str) -> list[str]:
    return [item.value for item in answer(typed).items]


def test_the_words_are_up_to_date() -> None:
    assert (ROOT / "schemas" / "completion.json").read_text(encoding="utf-8") == words.text(), "run `make schemas`"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ftc compile hardware=as", ["ftc", "compile", "hardware=as"]),
        ("ftc  compile ", ["ftc", "compile", ""]),
        ("ftc explain 'a b", ["ftc", "explain", "a b"]),
        ('ftc explain "a \\" b" c', ["ftc", "explain", 'a " b', "c"]),
        ("ftc a\\ b\\", ["ftc", "a b\\"]),
        ("ftc x'y'z", ["ftc", "xyz"]),
    ],
)
def test_a_line_is_split_like_a_shell_does(line: str, expected: list[str]) -> None:
    assert split(line) == expected


def test_a_group_is_offered_before_its_keys() -> None:
    assert offered("compile", "hardware") == ["hardware="]
    assert "hardware.device." in offered("compile", "hardware.")
    assert "hardware.device.resource=" in offered("compile", "hardware.device.")


def test_sources_are_offered_at_their_places() -> None:
    places = ["source@dataset.source=", "source@method.adapter=", "source@model.source="]
    assert sorted(offered("compile", "source")) == places
    assert {"source@model.source=git", "source@model.source=s3"} <= {*offered("compile", "source@model.source=")}


def test_keys_and_arguments_have_their_values() -> None:
    assert offered("compile", "naming=") == ["naming=fixed", "naming=generate"]
    assert offered("compile", "train.bf16=t") == ["train.bf16=true"]
    assert offered("compile", "storage.workspace.kind=n") == [
        "storage.workspace.kind=nfs",
        "storage.workspace.kind=node-directory",
    ]


def test_an_option_may_carry_its_value_in_the_same_word() -> None:
    assert offered("compile", "--target=vol") == ["--target=volcano"]
    assert offered("compile", "--strict", "hardware=h80") == ["hardware=h800"]
    assert offered("compile", "--form") == ["--format"]


def test_descriptions_are_those_of_conf_and_schemas() -> None:
    assert "hardware=h800\tWhole NVIDIA H800: 80 GB, eight per node." in main("zsh", ["compile", "hardware=h80"])
    assert "\tThe initial learning rate for the optimizer\n" in main("fish", ["compile", "train.learning_r"])


@pytest.mark.parametrize(
    "typed", [("nothing", ""), ("explain",), ("compile", "=x"), ("compile", "--no", "-t", "x"), ("",)]
)
def test_any_line_has_an_answer(typed: tuple[str, ...]) -> None:
    answer(typed)


def test_a_completion_imports_nothing_that_is_slow() -> None:
    script = "import sys, ftc.cli.main as m; sys.argv = ['ftc', 'compile', 'train.']; m.main(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "_FTC_COMPLETE": "fish"},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = done.stdout.splitlines()[-1].split()
    heavy = {
        "hydra",
        "omegaconf",
        "jsonschema",
        "msgspec",
        "yaml",
        "tree_sitter",
        "ftc.driver",
        "ftc.spec",
        "ftc.rules",
    }
    assert not heavy & {*modules, *(name.partition(".")[0] for name in modules)}


def test_the_file_of_words_is_json() -> None:
    assert json.loads(words.text())["places"]["source@model.source"] == "source"
