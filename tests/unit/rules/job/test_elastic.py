"""An elastic training can lose and add nodes."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses

ELASTIC = "nodes=4 min_nodes=2 restarts=3"
PAIRS = (
    Pair("FTC138", "min_nodes=1", "min_nodes=1 nodes=2", "min_nodes"),
    Pair("FTC138", "nodes=4 min_nodes=5", "nodes=5 min_nodes=4", "min_nodes"),
    Pair("FTC139", f"{ELASTIC} launcher=command launcher.command=[a]", ELASTIC, "min_nodes"),
    Pair("FTC140", f"{ELASTIC} engine=deepspeed-z3", "nodes=4 restarts=3 engine=deepspeed-z3", "engine"),
    Pair(
        "FTC141",
        f"{ELASTIC} hardware=ascend-910b-rank-table name=a",
        "nodes=4 restarts=3 hardware=ascend-910b-rank-table name=a",
        "hardware.env.RANK_TABLE_FILE",
    ),
    Pair("FTC142", "nodes=4 min_nodes=2", "nodes=4", "restarts"),
    Pair("FTC590", f"{ELASTIC} launcher=torchrun", "nodes=4 restarts=3 launcher=torchrun", "min_nodes"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_training_that_cannot_be_elastic_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_elastic_training_passes(pair: Pair) -> None:
    passes(pair)


def test_a_pinned_node_needs_room_only_for_min_nodes() -> None:
    pinned = ("devices=4", "pod={spec: {nodeSelector: {kubernetes.io/hostname: node-1}}}")
    per_node = "hardware=h800"
    assert "FTC231" in {d.code for d in found("nodes=4", per_node, *pinned)}
    assert "FTC231" not in {d.code for d in found("nodes=4", "min_nodes=2", "restarts=1", per_node, *pinned)}
