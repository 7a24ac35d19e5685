"""Rules on checkpoints, restarts and resuming."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

PAIRS = (Pair("FTC210", ("storage=per-pod", "restarts=1"), ("storage=shared", "restarts=1"), "restarts"),)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
