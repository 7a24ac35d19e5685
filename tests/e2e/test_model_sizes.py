"""The parameters of shipped models are those that transformers counts, and `ftc model add` counts them, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.trainer_environment import Trainer
from ftc.driver import Request, compile_job
from unit.compiling import ftc

CONFIGS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "model_configs.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def counted(trainer: Path) -> Any:
    """All parameters of each model, and those of its towers."""
    return Trainer("0.9.5", trainer).ask("count_parameters", CONFIGS)


@pytest.mark.parametrize("option", CONFIGS)
def test_the_parameters_of_an_option_are_those_of_the_model(counted: Any, option: str) -> None:
    spec = compile_job(Request((f"model={option}",))).spec
    assert spec is not None
    assert spec.model is not None
    assert spec.model.architecture is not None
    sizes = spec.model.architecture
    assert [sizes.parameters, sizes.vision_parameters] == counted[option]


def test_a_model_that_transformers_saved_is_counted(tmp_path: Path, tiny_model: Path) -> None:
    """Two layers of 64 by 64, 32, 32 and 64, three by 128, norms of 16, 16, 64 and 64; two embeddings of 64."""
    said = ftc("model", "add", str(tiny_model), "--template", "qwen3", "--name", "tiny", "--conf", str(tmp_path))
    assert said.exit_code == 0, said
    sizes = yaml.safe_load((tmp_path / "model" / "tiny.yaml").read_text(encoding="utf-8"))["architecture"]
    layer = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 16 + 16 + 64 + 64
    assert sizes["parameters"] == 2 * layer + 64 + 2 * 64 * sizes["vocabulary"]
    assert sizes["qk_norm"] is True
    assert "tied_embeddings" not in sizes
