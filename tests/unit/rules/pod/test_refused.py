"""Rules on the pod with all fragments: what the API server and Volcano's webhook refuse."""

from __future__ import annotations

import pytest

from ftc.output_schemas import kubernetes_versions, pod_template, volcano_versions
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


@pytest.mark.parametrize("kubernetes", kubernetes_versions())
def test_the_webhook_has_each_constraint_of_the_server(kubernetes: str) -> None:
    for volcano in volcano_versions():
        server = pod_template(volcano, kubernetes, webhook=False).schema["$defs"]
        webhook = pod_template(volcano, kubernetes, webhook=True).schema["$defs"]
        assert server.keys() == webhook.keys()
        for name, node in server.items():
            own, theirs = dict(node), dict(webhook[name])
            parts, more = own.pop("allOf", []), theirs.pop("allOf", [])
            assert own == theirs, name
            assert more[: len(parts)] == parts, name


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
