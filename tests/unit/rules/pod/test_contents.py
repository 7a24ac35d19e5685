"""ftc rejects the fragments that the API server or Volcano's webhook would reject."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses


def pod(body: str) -> str:
    """A fragment as typed on the command line."""
    return f"'pod={{spec: {{{body}}}}}'"


def container(body: str, field: str = "containers") -> str:
    return pod(f"{field}: [{{{body}}}]")


SIDE = "name: side, image: a:1"
BIG = "x" * (200 * 1024)
PAIRS = (
    Pair("FTC521", "cluster.queue=root", "cluster.queue=root.team", "cluster.queue"),
    Pair("FTC521", f"cluster.queue={'q' * 64}", f"cluster.queue={'q' * 63}", "cluster.queue"),
    Pair(
        "FTC522",
        pod("volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]"),
        pod("volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]"),
        "pod.spec.volumes.1",
    ),
    Pair(
        "FTC522",
        container("name: train, env: [{name: A, value: b}, {name: A, value: c}]"),
        container("name: train, env: [{name: A, value: b}, {name: B, value: c}]"),
        "pod.spec.containers.0.env.1",
    ),
    Pair(
        "FTC522",
        container("name: train, volumeMounts: [{name: shm, mountPath: /a}, {name: workspace, mountPath: /a}]"),
        container("name: train, volumeMounts: [{name: shm, mountPath: /a}, {name: workspace, mountPath: /b}]"),
        "pod.spec.containers.0.volumeMounts.1",
    ),
    Pair(
        "FTC522",
        f"{container(SIDE, 'initContainers').replace('pod=', 'cluster.pod=')} {container(SIDE)}",
        f"{container(SIDE, 'initContainers').replace('side', 'first')}",
        "pod.spec.containers.0",
    ),
    Pair(
        "FTC522",
        container("name: train, ports: [{containerPort: 80}, {containerPort: 80, protocol: TCP}]"),
        container("name: train, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]"),
        "pod.spec.containers.0.ports.1",
    ),
    Pair(
        "FTC524",
        "'cluster.pod={metadata: {annotations: {ftc.dev/train.yaml: x}}}'",
        "'cluster.pod={metadata: {annotations: {ftc.devs/train.yaml: x}}}'",
        "cluster.pod.metadata.annotations.ftc.dev/train.yaml",
    ),
    Pair("FTC525", container(SIDE), container("name: train, workingDir: /"), "pod.spec.containers.0"),
    Pair(
        "FTC526",
        container("name: fetch-model, args: [a]", "initContainers"),
        container("name: fetch-model, workingDir: /", "initContainers"),
        "pod.spec.initContainers.0.args",
    ),
    Pair("FTC526", container("name: train, command: [a]"), container(f"{SIDE}, command: [a]"), "pod.spec.containers.0"),
    Pair(
        "FTC527",
        "cluster.priority_class=low pod.spec.priorityClassName=high",
        "cluster.priority_class=high pod.spec.priorityClassName=high",
        "pod.spec.priorityClassName",
    ),
    Pair(
        "FTC523",
        pod("tolerations: [{operator: Equal, value: a}]"),
        pod("tolerations: [{operator: Exists}]"),
        "pod.spec.tolerations.0",
    ),
    Pair(
        "FTC523",
        pod("tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]"),
        pod("tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]"),
        "pod.spec.tolerations.0",
    ),
    Pair(
        "FTC504",
        (f"annotations.a={BIG[: 100 * 1024]}", f"annotations.b={BIG[100 * 1024 :]}"),
        (f"annotations.note={BIG[: 100 * 1024]}",),
        "annotations",
    ),
)
# The example of FTC504 is written for a shell; tests/corpus runs it.
ALL = [*PAIRS, *pages(pair for pair in PAIRS if pair.code != "FTC504")]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_invalid_fragment_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_valid_fragment_passes(pair: Pair) -> None:
    passes(pair)


def test_an_entry_of_two_fragments_is_merged() -> None:
    one = "pod={spec: {volumes: [{name: a, emptyDir: {}}]}}"
    assert [d.code for d in found(f"cluster.{one}", one)] == []
