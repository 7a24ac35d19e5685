"""ftc rejects fragments with contradictory settings."""

from __future__ import annotations

import pytest

from unit.compiling import found
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
        "FTC516",
        "'pod.metadata.annotations={scheduler.alpha.kubernetes.io/tolerations: x}'",
        "'pod.metadata.annotations={scheduler.alpha.kubernetes.io/tolerations: \"[]\"}'",
        "pod.metadata.annotations.scheduler.alpha.kubernetes.io/tolerations",
    ),
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


TOLERATION = "pod.spec.tolerations=[{{key: gpu, operator: Exists, {}}}]"
LIMITS = "pod.spec.containers=[{{name: train, resources: {{limits: {}}}}}]"


@pytest.mark.parametrize(
    ("override", "codes"),
    [
        (TOLERATION.format('value: "yes"'), ["FTC523"]),
        ("pod.spec.tolerations=[{operator: Equal, value: a}]", ["FTC523"]),
        (TOLERATION.format("effect: NoSchedule, tolerationSeconds: 5"), ["FTC523"]),
        (LIMITS.format("{rdma/hca: 500m}"), ["FTC532"]),
        (LIMITS.format("{gpu: 1, rdma/hca: 500m}"), ["FTC532", "FTC532"]),
        (train("livenessProbe: {periodSeconds: 5}").strip("'"), ["FTC528"]),
        # One mistake of each kind, at two places.
        ("pod.spec={dnsPolicy: None, tolerations: [{key: gpu, operator: Exists, value: a}]}", ["FTC516", "FTC523"]),
    ],
)
def test_each_mistake_is_reported_by_one_rule(override: str, codes: list[str]) -> None:
    assert sorted(one.code for one in found(override, targets=("volcano",))) == codes


@pytest.mark.parametrize(
    ("override", "help_"),
    [
        ("pod.spec.dnsPolicy=None", "with dnsPolicy None, set dnsConfig.nameservers"),
        (train("resizePolicy: [{resourceName: gpu, restartPolicy: NotRequired}]").strip("'"), "known: cpu, memory"),
        (train("startupProbe: {exec: {command: [ls]}, successThreshold: 2}").strip("'"), "at most 1"),
        ("pod.spec.tolerations={key: gpu}", "write a list"),
    ],
)
def test_the_help_names_what_the_server_accepts(override: str, help_: str) -> None:
    (one,) = found(override, targets=("volcano",))
    assert help_ in one.help
