"""Rules on gang scheduling: how many pods a job has, and how many start together."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND
from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC509",
        ("pod={spec: {schedulerName: default-scheduler}}",),
        ("pod={spec: {schedulerName: volcano-2}}", "cluster.scheduler=volcano-2"),
        "pod.spec.schedulerName",
    ),
    Pair(
        "FTC576",
        ("cluster.gang_jobs=true", "cluster.volcano=1.9"),
        ("cluster.gang_jobs=true", "cluster.volcano=1.12"),
        "cluster.gang_jobs",
    ),
    Pair(
        "FTC577",
        ("cluster.gang_jobs=true", "pod.spec.schedulerName=other"),
        ("pod.spec.schedulerName=other",),
        "pod.spec.schedulerName",
    ),
    Pair(
        "FTC577",
        ("cluster.gang_jobs=true", "cluster.scheduler=default-scheduler"),
        ("cluster.gang_jobs=true", "cluster.scheduler=volcano-of-ours"),
        "cluster.scheduler",
    ),
    Pair("FTC578", ("nodes=2",), ("nodes=2", "cluster.gang_jobs=true"), "nodes"),
    Pair("FTC578", ("nodes=2",), ("nodes=2", "cluster.kueue_queue=team"), "nodes"),
    Pair("FTC579", ("suspend=true",), ("suspend=false",), "suspend"),
    Pair("FTC580", (*COMMAND, "nodes=2", "restarts=1"), (*COMMAND, "nodes=2"), "restarts"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
