"""The training does not get the credentials of the container that publishes."""

from __future__ import annotations

import shlex

import pytest

from ftc.diagnostics.model import Severity
from unit.compiling import found
from unit.rules.pairs import Pair, pages, passes, refuses

PUBLISH = "publish=git publish.url=https://git.example.com/o publish.credentials.secret=robot"


def container(fields: str, name: str = "train") -> str:
    return f"'pod={{spec: {{containers: [{{name: {name}, {fields}}}]}}}}'"


def variable(secret: str, key: str) -> str:
    return container(f"env: [{{name: A, valueFrom: {{secretKeyRef: {{name: {secret}, key: {key}}}}}}}]")


def volume(source: str, mounted_by: str = "train") -> str:
    mount = f"[{{name: {mounted_by}, volumeMounts: [{{name: keys, mountPath: /keys}}]}}]"
    return f"'pod={{spec: {{volumes: [{{name: keys, {source}}}], containers: {mount}}}}}'"


def right(capability: str) -> str:
    return container(f"securityContext: {{capabilities: {{add: [{capability}]}}}}")


PAIRS = (
    *(
        Pair("FTC605", f"{PUBLISH} pod.spec.{field}=true", f"pod.spec.{field}=true", f"pod.spec.{field}")
        for field in ("shareProcessNamespace", "hostPID")
    ),
    Pair("FTC605", f"{PUBLISH} {variable('robot', 'password')}", f"{PUBLISH} {variable('robot', 'other')}", "pod.spec"),
    Pair(
        "FTC605",
        f"{PUBLISH} {variable('robot', 'password')}",
        f"{PUBLISH} {variable('robots', 'password')}",
        "pod.spec",
    ),
    Pair(
        "FTC605",
        f"{PUBLISH} {container('envFrom: [{secretRef: {name: robot}}]')}",
        f"{PUBLISH} {container('envFrom: [{configMapRef: {name: robot}}]')}",
        "pod.spec.containers.0.envFrom.0",
    ),
    Pair(
        "FTC605",
        f"{PUBLISH} {volume('secret: {secretName: robot}')}",
        f"{PUBLISH} {volume('secret: {secretName: robot}', 'publish')}",
        "pod.spec.volumes.0",
    ),
    Pair(
        "FTC605",
        f"{PUBLISH} {volume('secret: {secretName: robot, items: [{key: password, path: t}]}')}",
        f"{PUBLISH} {volume('secret: {secretName: robot, items: [{key: ca, path: t}]}')}",
        "pod.spec.volumes.0",
    ),
    Pair(
        "FTC605",
        f"{PUBLISH} {volume('projected: {sources: [{configMap: {name: a}}, {secret: {name: robot}}]}')}",
        f"{PUBLISH} {volume('projected: {sources: [{configMap: {name: robot}}, {secret: {name: a}}]}')}",
        "pod.spec.volumes.0",
    ),
    Pair(
        "FTC605",
        "publish=huggingface publish.repository=a/b publish.token.secret=hub publish.token.key=t "
        "source@model.source=huggingface-direct model.source.token.secret=hub model.source.token.key=t",
        "publish=huggingface publish.repository=a/b publish.token.secret=hub publish.token.key=t "
        "source@model.source=huggingface model.source.token.secret=hub model.source.token.key=t",
        "publish",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_way_to_the_credentials_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_similar_pod_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize("name", ["SYS_PTRACE", "CAP_SYS_PTRACE", "SYS_ADMIN", "ALL"])
def test_a_capability_over_processes_counts_if_the_namespace_is_shared(name: str) -> None:
    place = ("pod", "spec", "containers", 0, "securityContext", "capabilities", "add", 0)
    shared = found(*shlex.split(f"{PUBLISH} cluster.pod.spec.shareProcessNamespace=true {right(name)}"))
    assert place in [d.path for d in shared if d.code == "FTC605"]
    alone = found(*shlex.split(f"{PUBLISH} {right(name)}"))
    assert "FTC605" not in [d.code for d in alone]


@pytest.mark.parametrize(("shared", "severity"), [("true", Severity.ERROR), ("false", Severity.WARNING)])
def test_a_privileged_training_is_an_error_if_the_namespace_is_shared(shared: str, severity: Severity) -> None:
    privileged = container("securityContext: {privileged: true}")
    words = shlex.split(f"{PUBLISH} cluster.pod.spec.shareProcessNamespace={shared} {privileged}")
    place = ("pod", "spec", "containers", 0, "securityContext", "privileged")
    assert [d.severity for d in found(*words) if d.code == "FTC605" and d.path == place] == [severity]


def test_a_privileged_sidecar_of_the_user_is_not_reported() -> None:
    privileged = container("image: 'a:1', securityContext: {privileged: true}", "side").replace("'a:1'", '"a:1"')
    assert "FTC605" not in {d.code for d in found(*shlex.split(f"{PUBLISH} {privileged}"))}
