"""ftc rejects fragments with contradictory settings."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

FIELD = "valueFrom: {fieldRef: {fieldPath: status.podIP}}"


def train(body: str) -> str:
    return f"'pod.spec.containers=[{{name: train, {body}}}]'"


def context(body: str) -> str:
    return f"'pod.spec.securityContext={{{body}}}'"


TRAIN = "pod.spec.containers.0"
ON_NODE = "pod.spec.hostNetwork=true"
PAIRS = (
    Pair("FTC516", "'pod={spec: {dnsPolicy: None}}'", "'pod={spec: {dnsPolicy: Default}}'", "pod.spec"),
    Pair("FTC517", train("env: [{name: 1A, value: x}]"), train("env: [{name: A1, value: x}]"), f"{TRAIN}.env.0"),
    Pair("FTC528", train("ports: [{containerPort: 0}]"), train("ports: [{containerPort: 1}]"), f"{TRAIN}.ports.0"),
    Pair(
        "FTC506",
        train("ports: [{containerPort: 80, hostPort: 65536}]"),
        train("ports: [{containerPort: 80, hostPort: 65535}]"),
        f"{TRAIN}.ports.0.hostPort",
    ),
    Pair(
        "FTC528",
        f"{train('ports: [{containerPort: 80, hostPort: 81}]')} cluster.{ON_NODE}",
        f"{train('ports: [{containerPort: 80, hostPort: 80}]')} cluster.{ON_NODE}",
        f"{TRAIN}.ports.0.hostPort",
    ),
    Pair(
        "FTC528",
        train(f"env: [{{name: A, value: b, {FIELD}}}]"),
        train(f"env: [{{name: A, value: '', {FIELD}}}]".replace("''", '""')),
        f"{TRAIN}.env.0",
    ),
    Pair(
        "FTC528",
        train("livenessProbe: {periodSeconds: 5}"),
        train("livenessProbe: {periodSeconds: 5, exec: {command: [ls]}}"),
        f"{TRAIN}.livenessProbe",
    ),
    Pair(
        "FTC528",
        train("livenessProbe: {exec: {command: [ls]}, tcpSocket: {port: 80}}"),
        f"{train('livenessProbe: {periodSeconds: 5}')} 'cluster.{train('livenessProbe: {exec: {command: [ls]}}')[1:]}",
        f"{TRAIN}.livenessProbe",
    ),
    Pair(
        "FTC529",
        "'pod.spec.volumes=[{name: a, emptyDir: {}, hostPath: {path: /a}}]'",
        "'pod.spec.volumes=[{name: a, hostPath: {path: /a}}, {name: b}]'",
        "pod.spec.volumes.0",
    ),
    *(
        Pair(
            "FTC529",
            f"network.{ON_NODE} {context(f'sysctls: [{{name: {name}, value: x}}]')}",
            context(f"sysctls: [{{name: {name}, value: x}}]"),
            "pod.spec.securityContext.sysctls.0",
        )
        for name in ("net.core.somaxconn", "net/ipv4/tcp_syncookies")
    ),
    *(
        Pair(
            "FTC529",
            f"pod.spec.hostIPC=true 'hardware.{context(f'sysctls: [{{name: {name}, value: x}}]')[1:]}",
            f"network.{ON_NODE} {context(f'sysctls: [{{name: {name}, value: x}}]')}",
            "hardware.pod.spec.securityContext.sysctls.0",
        )
        for name in ("kernel.shmmax", "kernel.msgmnb", "kernel.sem", "fs.mqueue.msg_max")
    ),
    Pair("FTC529", f"pod.spec.hostUsers=false cluster.{ON_NODE}", "pod.spec.hostUsers=false", "pod.spec.hostUsers"),
    Pair(
        "FTC529",
        context("runAsNonRoot: true, runAsUser: 0"),
        context("runAsNonRoot: false, runAsUser: 0"),
        "pod.spec.securityContext",
    ),
    Pair(
        "FTC529",
        f"{context('runAsNonRoot: true')} {train('securityContext: {runAsUser: 0}')}",
        f"{context('runAsNonRoot: true')} {train('securityContext: {runAsUser: 1}')}",
        "pod.spec",
    ),
)


@pytest.mark.parametrize("pair", [*PAIRS, *pages(PAIRS)], ids=str)
def test_a_contradiction_is_reported_at_its_key(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", [*PAIRS, *pages(PAIRS)], ids=str)
def test_consistent_settings_pass(pair: Pair) -> None:
    passes(pair)
