"""Rules on the variables of a container: their names, their length, and what sets them."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC511",
        ("pod={spec: {containers: [{name: train, env: [{name: NNODES, value: '3'}]}]}}",),
        ("pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}",),
        "pod.spec.containers",
    ),
    Pair(
        "FTC511",
        ("pod={spec: {containers: [{name: train, image: other, env: [{name: NNODES, value: '3'}]}]}}",),
        ("pod={spec: {containers: [{name: side, image: other, env: [{name: NNODES, value: '3'}]}]}}",),
        "pod.spec.containers",
    ),
    Pair("FTC348", ("env.HF_ENDPOINT=hf-mirror.com",), ("env.HF_ENDPOINT=HTTPS://hf-mirror.com",), "env.HF_ENDPOINT"),
    Pair(
        "FTC348",
        ("cluster.env.WANDB_BASE_URL=wandb:8080",),
        ("cluster.env.WANDB_BASE_URL=http://wandb:8080",),
        "cluster",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
