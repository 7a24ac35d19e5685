"""All pods of a gang can be scheduled."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

PIN = "nodeSelector: {kubernetes.io/hostname: a}"
APART = (
    "podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
    "[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {a: b}}}]}"
)


def term(operator: str, values: str) -> str:
    return f"{{matchExpressions: [{{key: kubernetes.io/hostname, operator: {operator}, values: {values}}}]}}"


def affinity(*terms: str) -> str:
    required = f"requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{', '.join(terms)}]}}"
    return f"'pod={{spec: {{affinity: {{nodeAffinity: {{{required}}}}}}}}}'"


PAIRS = (
    Pair(
        "FTC231",
        f"nodes=3 devices=4 'hardware.pod={{spec: {{{PIN}}}}}'",
        f"nodes=2 devices=4 'hardware.pod={{spec: {{{PIN}}}}}'",
        "hardware.pod.spec.nodeSelector.kubernetes.io/hostname",
    ),
    Pair(
        "FTC231",
        f"nodes=2 'pod={{spec: {{{PIN}, affinity: {{{APART}}}}}}}'",
        f"nodes=2 'pod={{spec: {{affinity: {{{APART}}}}}}}'",
        "pod.spec.nodeSelector",
    ),
    Pair(
        "FTC231",
        f"nodes=2 devices=8 {affinity(term('In', '[a]'))}",
        f"nodes=2 devices=8 {affinity(term('In', '[a, b]'))}",
        "pod.spec.affinity",
    ),
    Pair(
        "FTC231",
        f"nodes=2 devices=8 {affinity(term('In', '[a]'))}",
        f"nodes=2 devices=8 {affinity(term('In', '[a]'), term('In', '[b]'))}",
        "pod.spec.affinity",
    ),
    Pair(
        "FTC231",
        f"nodes=2 devices=8 {affinity(term('In', '[a]')).replace('pod=', 'cluster.pod=')} "
        f"'pod={{spec: {{affinity: {{podAffinity: {{}}}}}}}}'",
        "nodes=2 devices=8 'pod={spec: {affinity: {podAffinity: {}}}}'",
        "cluster.pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
    ),
    Pair("FTC232", "cluster.pod.spec.nodeName=a", "'cluster.pod.spec.nodeSelector={a: b}'", "cluster.pod.spec.node"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_unschedulable_gang_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_schedulable_gang_passes(pair: Pair) -> None:
    passes(pair)
