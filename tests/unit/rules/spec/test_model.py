"""A model has its own sizes, not those of the option whose id was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.compiling import found, ftc
from unit.rules.pairs import Pair, pages, passes, refuses

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = (
    Pair("FTC705", "model.id=Qwen/Qwen3-8B", "model=qwen3-8b", "model.id"),
    Pair("FTC705", "model.id=a/b", "model=custom model.id=a/b model.template=qwen3", "model.id"),
    Pair("FTC705", "model=qwen3-8b model.id=Qwen/Qwen3-0.6B", "model=qwen3-8b model.id=Qwen/Qwen3-8B", "model.id"),
    Pair("FTC705", "model.id=a/b", "model.id=a/b model.architecture=null", "model.id"),
    Pair("FTC705", "model.id=a/b", "model.id=a/b model.architecture.parameters=751632384", "model.id"),
)
ALL = (*PAIRS, *pages(PAIRS))


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_the_sizes_of_another_model_are_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_the_sizes_of_the_model_pass(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    ("id_", "help_"),
    [
        ("Qwen/Qwen3-8B", "use model=qwen3-8b"),
        ("qwen/qwen3-8b", "use model=qwen3-8b"),
        ("a/b", "use model=custom model.id=a/b model.template=qwen3"),
    ],
)
def test_the_help_names_the_option_with_that_id_or_the_custom_one(id_: str, help_: str) -> None:
    assert [d.help for d in found(f"model.id={id_}") if d.code == "FTC705"] == [help_]


def test_a_primary_config_is_judged_and_an_option_that_extends_another_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("defaults: [qwen3-8b, _self_]\nid: team/tuned\n")
    (tmp_path / "run.yaml").write_text("defaults: [config, _self_]\nmodel: {id: team/mine-tuned}\n")
    assert ftc("compile", "--config-dir", str(tmp_path), "model=mine").exit_code == 0
    assert "FTC705" in ftc("compile", "--config-dir", str(tmp_path), "-c", "run").stderr
