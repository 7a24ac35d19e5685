"""Rules on the versions of LLaMA-Factory and transformers, and on reserved arguments."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC401",
        ("trainer.llamafactory=0.9.3",),
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"),
        "trainer.transformers",
    ),
    Pair("FTC401", ("trainer.transformers=4.52.0",), ("trainer.transformers=5.6.0",), "trainer.transformers"),
    Pair(
        "FTC401",
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.46.3"),
        ("trainer.llamafactory=0.9.3", "trainer.transformers=4.45.2"),
        "trainer.transformers",
    ),
    Pair("FTC402", ("trainer.llamafactory=0.9.99",), (), "trainer"),
    Pair("FTC403", ("train.output_dir=/x",), ("train.logging_steps=1",), "train.output_dir"),
    Pair("FTC403", ("method.merge.export_dir=/x",), ("method.merge.export_size=2",), "method.merge.export_dir"),
    Pair("FTC407", (r"train.run_name=\${x}",), ("train.run_name='$x'",), "train.run_name"),
    Pair(
        "FTC408",
        ("model=glm-4-9b-0414", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.2"),
        ("model=glm-4-9b-0414", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.3"),
        "trainer.transformers",
    ),
    Pair(
        "FTC408",
        ("model=internvl3-8b", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.3"),
        ("model=internvl3-8b", "trainer.llamafactory=0.9.3", "trainer.transformers=4.52.1"),
        "trainer.transformers",
    ),
    Pair(
        "FTC408",
        ("model=qwen3-vl-8b-instruct", "trainer.llamafactory=0.9.5", "trainer.transformers=4.56.2"),
        ("model=qwen3-vl-8b-instruct", "trainer.llamafactory=0.9.5", "trainer.transformers=4.57.1"),
        "trainer.transformers",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
