"""Rules on the pod with all fragments: what the API server and Volcano's webhook refuse."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

FIELD = "{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}"
PAIRS = (
    Pair(
        "FTC516",
        (f"pod.spec.containers=[{{name: train, env: [{FIELD.replace('podIP', 'podIp')}]}}]",),
        (f"pod.spec.containers=[{{name: train, env: [{FIELD}]}}]",),
        "pod.spec.containers.0.env.0.valueFrom.fieldRef.fieldPath",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
