"""Quantities have a unit, and the training container has the devices."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses


def resources(body: str, container: str = "train", more: str = "") -> str:
    field = "initContainers" if container.startswith("fetch") else "containers"
    return f"'pod={{spec: {{{field}: [{{name: {container}{more}, resources: {{{body}}}}}]}}}}'"


CLAIM = "{volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}}}"
PAIRS = (
    Pair(
        "FTC531",
        "storage=job-lifetime storage.min_free_gib=0 storage.workspace.size='\"50\"'",
        "storage=job-lifetime storage.min_free_gib=0 storage.workspace.size=50Gi",
        "storage.workspace.size",
    ),
    Pair(
        "FTC531",
        "'storage.more.data={kind: per-pod, mount_path: /data, size: 50}'",
        "'storage.more.data={kind: per-pod, mount_path: /data, size: 50Gi}'",
        "storage.more.data.size",
    ),
    Pair(
        "FTC531",
        resources("limits: {memory: 400m}, requests: {memory: 400m}"),
        resources("limits: {memory: 40Gi}, requests: {memory: 40Gi}"),
        "pod.spec.containers.0.resources",
    ),
    Pair(
        "FTC531",
        "'pod={spec: {volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 16}}]}}'",
        "'pod={spec: {volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]}}'",
        "pod.spec.volumes.0.emptyDir.sizeLimit",
    ),
    Pair(
        "FTC532",
        resources("requests: {rdma/hca: 1}"),
        resources("requests: {rdma/hca: 1}, limits: {rdma/hca: 1}"),
        "pod.spec.containers.0.resources.requests.rdma/hca",
    ),
    Pair(
        "FTC532",
        resources("limits: {gpu: 1}"),
        resources("limits: {hugepages-2Mi: 1Gi}"),
        "pod.spec.containers.0.resources.limits.gpu",
    ),
    Pair(
        "FTC532",
        resources('limits: {example.com/a: "0.5"}'),
        resources("limits: {example.com/a: 20k}"),
        "pod.spec.containers.0.resources.limits.example.com/a",
    ),
    Pair(
        "FTC531",
        "'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 0}}]}}'",
        "'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 1Gi}}]}}'",
        "pod.spec.volumes.0.emptyDir.sizeLimit",
    ),
    Pair(
        "FTC531",
        f"'pod={{spec: {{volumes: [{{name: a, ephemeral: {CLAIM % '1n'}}}]}}}}'",
        f"'pod={{spec: {{volumes: [{{name: a, ephemeral: {CLAIM % '1Gi'}}}]}}}}'",
        "pod.spec.volumes.0.ephemeral",
    ),
    Pair(
        "FTC531",
        "storage=existing-claim storage.workspace.claim=c storage.workspace.size=10",
        "",
        "storage.workspace.size",
    ),
    *(
        Pair(
            "FTC532",
            f"'pod={{spec: {{containers: [{{name: train, resources: {{limits: {{{name}: 1}}}}}}]}}}}'",
            "'pod={spec: {containers: [{name: train, resources: {limits: {a.b/c: 1}}}]}}'",
            "pod.spec.containers.0.resources.limits",
        )
        for name in ("requests.a.b/c", "x.kubernetes.io/c", f"{'a' * 245}/c", "a.b/c_")
    ),
    Pair(
        "FTC533",
        resources("limits: {nvidia.com/gpu: 1}", "side", ', image: "a:1"'),
        resources("limits: {example.com/fpga: 1}", "side", ', image: "a:1"'),
        "pod.spec.containers.0.resources.limits.nvidia.com/gpu",
    ),
    Pair(
        "FTC302",
        ("hardware.shm_gib_per_device=64",),
        ("hardware.shm_gib_per_device=63",),
        "hardware.shm_gib_per_device",
    ),
    Pair(
        "FTC510",
        ("pod={spec: {containers: [{name: train, resources: {limits: {cpu: '1'}}}]}}",),
        ("pod={spec: {containers: [{name: train, resources: {limits: {cpu: '1'}, requests: {cpu: '1'}}}]}}",),
        "pod.spec.containers",
    ),
    Pair(
        "FTC510",
        ("pod={spec: {containers: [{name: train, image: other, resources: {limits: {cpu: '1'}}}]}}",),
        ("pod={spec: {containers: [{name: side, image: other, resources: {limits: {cpu: '1'}}}]}}",),
        "pod.spec.containers",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_wrong_quantity_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_right_quantity_passes(pair: Pair) -> None:
    passes(pair)


def test_a_limit_without_a_request_passes() -> None:
    assert [d.code for d in found(resources("limits: {example.com/a: 1}").strip("'"))] == []
