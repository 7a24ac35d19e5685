"""The nodes of a job find each other, whatever the network settings in fragments."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses


def sidecar(port: str, field: str = "containers", more: str = "") -> str:
    return f"'pod={{spec: {{{field}: [{{name: a, image: \"a:1\", ports: [{{containerPort: {port}}}]{more}}}]}}}}'"


PAIRS = (
    Pair("FTC131", "nodes=2 pod.spec.dnsPolicy=Default", "pod.spec.dnsPolicy=Default", "pod.spec.dnsPolicy"),
    Pair(
        "FTC131",
        "nodes=2 cluster.pod.spec.dnsPolicy=Default",
        "nodes=2 cluster.pod.spec.dnsPolicy=Default pod.spec.dnsPolicy=ClusterFirst",
        "cluster.pod.spec.dnsPolicy",
    ),
    Pair(
        "FTC132",
        f"devices=2 {sidecar('29500')}",
        f"devices=2 {sidecar('29500')} master_port=29501",
        "pod.spec.containers.0.ports.0",
    ),
    Pair(
        "FTC132",
        f"nodes=2 {sidecar('29500', 'initContainers', ', restartPolicy: Always')}",
        f"nodes=2 {sidecar('29500', 'initContainers')}",
        "pod.spec.initContainers.0.ports.0",
    ),
    Pair("FTC132", f"engine=deepspeed-z2 {sidecar('29500')}", sidecar("29500"), "pod.spec.containers.0.ports.0"),
    Pair(
        "FTC133",
        "'pod={spec: {containers: [{name: train, env: [{name: RDZV_ID, value: a}]}]}}'",
        "launcher=command launcher.command=[a] env.RDZV_ID=a",
        "pod.spec.containers.0.env.0",
    ),
    Pair("FTC512", ("nodes=5000",), ("nodes=1000",), "nodes"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_setting_that_breaks_the_rendezvous_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_harmless_setting_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize("port", ["8888", "29500"])
def test_the_usual_ports_pass(port: str) -> None:
    assert [d.code for d in found("nodes=2", f"master_port={port}")] == []
