"""Rules on TrainJobs: what they keep, the name of their container, their PodGroup."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

GANG = ("nodes=2", "storage=shared")
NODE = "'pod={spec: {containers: [{name: %s, image: exporter}]}}'"
PAIRS = (
    Pair("FTC592", "ttl_seconds_after_finished=60", "ttl_seconds_after_finished=null", "ttl_seconds_after_finished"),
    Pair("FTC593", NODE % "node", NODE % "nodes", "pod.spec.containers"),
    Pair(
        "FTC594",
        (*GANG, "cluster.gang_jobs=true", "cluster.volcano=1.12"),
        (*GANG, "cluster.kueue_queue=team"),
        "cluster.gang_jobs",
    ),
)


@pytest.mark.parametrize("pair", [*PAIRS, *pages(PAIRS)], ids=str)
def test_a_rule_and_its_opposite(pair: Pair) -> None:
    refuses(pair)
    passes(pair)
