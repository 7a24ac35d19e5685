"""Rules on the schemas of the API server: the keys, types and values of an object or a fragment."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses


def from_key(reference: str, key: str) -> str:
    variable = f"{{name: A, valueFrom: {{{reference}: {{name: s, key: {key}}}}}}}"
    return f"pod={{spec: {{containers: [{{name: train, env: [{variable}]}}]}}}}"


PAIRS = (
    Pair(
        "FTC502",
        ("pod={spec: {containers: [{name: side, command: [a]}]}}",),
        ("pod={spec: {containers: [{name: side, command: [a], image: b}]}}",),
        "pod.spec.containers",
    ),
    Pair(
        "FTC502",
        ("pod={spec: {initContainers: [{name: fetch-modle, workingDir: /}]}}",),
        ("pod={spec: {initContainers: [{name: fetch-model, workingDir: /}]}}",),
        "pod.spec.initContainers",
    ),
    Pair(
        "FTC502",
        ("pod={spec: {initContainers: [{name: train, image: b}]}}",),
        ("pod={spec: {initContainers: [{name: trains, image: b}]}}",),
        "pod.spec.initContainers.0",
    ),
    Pair(
        "FTC502",
        ("pod={spec: {containers: [{name: fetch-model, image: b}]}}",),
        ("pod={spec: {containers: [{name: fetch-models, image: b}]}}",),
        "pod.spec.containers.0",
    ),
    Pair("FTC505", ("cluster.volcano=1.8",), ("cluster.volcano=1.9",), "cluster.volcano"),
    Pair("FTC505", ("cluster.kubernetes=1.28",), ("cluster.kubernetes=1.29",), "cluster.kubernetes"),
    Pair(
        "FTC506",
        ("pod={spec: {nodeSelecto: {a: b}}}",),
        ("pod={spec: {nodeSelector: {a: b}}}",),
        "pod.spec.nodeSelecto",
    ),
    *(
        Pair(
            "FTC506", (from_key(ref, key),), (from_key(ref, ".a"),), f"pod.spec.containers.0.env.0.valueFrom.{ref}.key"
        )
        for ref in ("secretKeyRef", "configMapKeyRef")
        for key in (".", "..", "..a", "a/b", "a" * 254)
    ),
    Pair(
        "FTC506",
        ("pod.spec.serviceAccountName=Bad_Name",),
        ("pod.spec.serviceAccountName=good.name",),
        "pod.spec.serviceAccountName",
    ),
    Pair(
        "FTC506",
        ("pod={spec: {volumes: [{name: a, hostPath: {path: /a/../b}}]}}",),
        ("pod={spec: {volumes: [{name: a, hostPath: {path: /a/..b}}]}}",),
        "pod.spec.volumes.0.hostPath.path",
    ),
    Pair(
        "FTC506",
        ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /a, subPath: a/..}]}]}}",),
        ("pod={spec: {containers: [{name: train, volumeMounts: [{name: shm, mountPath: /a, subPath: a/b}]}]}}",),
        "pod.spec.containers.0.volumeMounts.0.subPath",
    ),
    Pair(
        "FTC506",
        ("pod.spec.topologySpreadConstraints=[{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",),
        ("pod.spec.topologySpreadConstraints=[{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",),
        "pod.spec.topologySpreadConstraints.0.maxSkew",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
