"""Rules on restarts: the policies of a VolcanoJob, restartPolicy, and the deletion of a finished job."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC503",
        ("pod={spec: {restartPolicy: OnFailure}}",),
        ("pod={spec: {restartPolicy: Never}}",),
        "pod.spec.restartPolicy",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
