"""Rules on batch Jobs: indices, claims, host names and failure counts."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

ALONE = ("storage=job-lifetime", "storage.workspace.access_mode=ReadWriteMany")
PAIRS = (
    Pair("FTC572", ("nodes=2", *ALONE), ("nodes=2", "storage=shared"), "storage.workspace"),
    Pair("FTC573", ("storage=job-lifetime",), ("storage=existing-claim",), "storage.workspace"),
    Pair("FTC574", ("nodes=2",), ("nodes=1",), "nodes"),
    Pair("FTC574", ("nodes=2", "naming=fixed"), ("naming=fixed",), "nodes"),
    Pair("FTC575", ("nodes=2", "pod.spec.subdomain=a"), ("nodes=1", "pod.spec.subdomain=a"), "pod.spec.subdomain"),
    Pair("FTC575", ("nodes=2", "hardware.pod.spec.hostname=a"), ("nodes=2",), "hardware.pod.spec.hostname"),
    Pair("FTC585", ("nodes=4", "restarts=536870912"), ("nodes=4", "restarts=536870911"), "restarts"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
