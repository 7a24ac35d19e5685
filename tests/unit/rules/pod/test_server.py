"""Compile and lint refuse the pods that Kubernetes' server refuses, by the same data, and accept their neighbors."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ftc.diagnostics.model import Severity
from unit.compiling import found
from unit.lint.test_lint import judged as findings

# Each row: a fragment that the server refuses and the nearest one that it accepts, in the container that trains, in a
# new container, or in the pod (pkg/apis/core/validation, validation_test.go).
PROBE = {"exec": {"command": ["a"]}}
TRAIN: tuple[tuple[Any, Any], ...] = (
    ({"livenessProbe": {"tcpSocket": {"port": 0}}}, {"livenessProbe": {"tcpSocket": {"port": 1}}}),
    ({"livenessProbe": {"tcpSocket": {"port": "123"}}}, {"livenessProbe": {"tcpSocket": {"port": "http"}}}),
    ({"livenessProbe": {"grpc": {"port": 65536}}}, {"livenessProbe": {"grpc": {"port": 65535}}}),
    ({"livenessProbe": {**PROBE, "successThreshold": 2}}, {"readinessProbe": {**PROBE, "successThreshold": 2}}),
    ({"startupProbe": {**PROBE, "failureThreshold": -1}}, {"startupProbe": {**PROBE, "failureThreshold": 9}}),
    ({"lifecycle": {"preStop": {}}}, {"lifecycle": {"preStop": PROBE}}),
    ({"lifecycle": {"preStop": {"sleep": {"seconds": 9000}}}}, {"lifecycle": {"preStop": {"sleep": {"seconds": 9}}}}),
    ({"ports": [{"containerPort": 80, "name": "A"}]}, {"ports": [{"containerPort": 80, "name": "a"}]}),
    (
        {"ports": [{"containerPort": 80, "name": "x"}, {"containerPort": 81, "name": "x"}]},
        {"ports": [{"containerPort": 80, "name": "x"}, {"containerPort": 81, "name": "b"}]},
    ),
    (
        {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]},
        {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80, "protocol": "UDP"}]},
    ),
    ({"env": [{"name": "A=B", "value": "x"}]}, {"env": [{"name": "A", "value": "x=y"}]}),
    (
        {"env": [{"name": "A", "valueFrom": {}}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}}]},
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.nvidia.com/gpu"}}}]},
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]},
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1m"}}}]},
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]},
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a b"}}}]},
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a.b"}}}]},
    ),
    ({"envFrom": [{"secretRef": {}}]}, {"envFrom": [{"secretRef": {"name": "a"}}]}),
    ({"envFrom": [{"prefix": "A_"}]}, {"envFrom": [{"prefix": "A_", "configMapRef": {"name": "a"}}]}),
    ({"securityContext": {"procMount": "X"}}, {"securityContext": {"procMount": "Default"}}),
    ({"securityContext": {"procMount": "Unmasked"}}, {"securityContext": {"procMount": "Default"}}),
    ({"securityContext": {"runAsUser": 1 << 31}}, {"securityContext": {"runAsUser": (1 << 31) - 1}}),
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../a"}}},
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"}}},
    ),
    (
        {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault", "localhostProfile": "a"}}},
        {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "a"}}},
    ),
    (
        {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]},
        {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]},
    ),
    (
        {"resources": {"requests": {"hugepages-2Mi": "3Mi"}, "limits": {"hugepages-2Mi": "3Mi"}}},
        {"resources": {"requests": {"hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}},
    ),
    ({"resources": {"claims": [{"name": "x"}]}}, {"resources": {}}),
)
POD: tuple[tuple[Any, Any], ...] = (
    ({"dnsPolicy": "None"}, {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.1"]}}),
    ({"activeDeadlineSeconds": 0}, {"activeDeadlineSeconds": 1}),
    ({"nodeName": "N_"}, {"nodeName": "n1.example.com"}),
    ({"hostAliases": [{"ip": "x", "hostnames": ["a"]}]}, {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}),
    (
        {"securityContext": {"sysctls": [{"name": "a b", "value": "1"}]}},
        {"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}},
    ),
    (
        {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": ""}]}}},
        {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}},
    ),
)


def _terms(*terms: Any) -> Any:
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }


def _expression(**fields: Any) -> Any:
    return _terms({"matchExpressions": [{"key": "a", **fields}]})


TERMS: tuple[tuple[Any, Any], ...] = (
    (_terms(), _expression(operator="Exists")),
    (_expression(operator="In"), _expression(operator="In", values=["b"])),
    (_expression(operator="In", values=["b c"]), _expression(operator="In", values=["b.c"])),
    (_expression(operator="Exists", values=["b"]), _expression(operator="DoesNotExist")),
    (_expression(operator="Gt", values=["1", "2"]), _expression(operator="Gt", values=["1"])),
)


def _files(source: Any) -> Any:
    return {"volumes": [{"name": "x", **source}]}


def _item(key: str, path: str) -> Any:
    return _files({"secret": {"secretName": "a", "items": [{"key": key, "path": path}]}})


VOLUMES: tuple[tuple[Any, Any], ...] = (
    (_item("a", "../b"), _item("a", "b/c")),
    (_item("a", "/b"), _item("a", "b..c")),
    (_item("..", "b"), _item(".a", "b")),
    (_item("", "b"), _item("a", "b")),
    (_files({"secret": {}}), _files({"secret": {"secretName": "a"}})),
    (_files({"nfs": {"server": "a", "path": "b"}}), _files({"nfs": {"server": "a", "path": "/b"}})),
    (_files({"persistentVolumeClaim": {"claimName": ""}}), _files({"persistentVolumeClaim": {"claimName": "a"}})),
    (
        _files({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "status.podIP"}}]}}),
        _files({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
    ),
    (
        _files({"projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "b"}}]}}),
        _files({"projected": {"sources": [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}]}}),
    ),
    (_files({"ephemeral": {}}), _files({"emptyDir": {}})),
)
INIT: tuple[tuple[Any, Any], ...] = (
    ({"livenessProbe": PROBE}, {"livenessProbe": PROBE, "restartPolicy": "Always"}),
    ({"lifecycle": {"preStop": PROBE}}, {"env": [{"name": "A", "value": "b"}]}),
)
FRAGMENTS = (
    *[tuple({"containers": [{"name": "train", **fields}]} for fields in pair) for pair in TRAIN],
    *[tuple({"initContainers": [{"name": "pre", "image": "a:1", **f}]} for f in pair) for pair in INIT],
    *POD,
    *TERMS,
    *VOLUMES,
)
# Volcano's webhook only.
WEBHOOK: tuple[tuple[Any, Any], ...] = (
    ({"env": [{"name": "1A", "value": "x"}]}, {"env": [{"name": "A1", "value": "x"}]}),
    (
        {"envFrom": [{"prefix": "1", "secretRef": {"name": "x"}}]},
        {"envFrom": [{"prefix": "A-", "secretRef": {"name": "x"}}]},
    ),
)


def _override(fragment: Any) -> str:
    return f"pod={{spec: {_flow(fragment)}}}"


def _flow(value: Any) -> str:
    """Hydra's form of a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return '"' + value + '"' if isinstance(value, str) else str(value)


def _refusals(fragment: Any, target: str) -> list[str]:
    errors = [d for d in found(_override(fragment), targets=(target,)) if d.severity is Severity.ERROR]
    assert all(d.path[:2] == ("pod", "spec") and d.position and d.help for d in errors), errors
    return [d.code for d in errors]


@pytest.mark.parametrize("target", ["volcano", "job"])
@pytest.mark.parametrize(("refused", "accepted"), FRAGMENTS, ids=str)
def test_compile_refuses_what_the_server_refuses(refused: Any, accepted: Any, target: str) -> None:
    assert _refusals(refused, target)
    assert _refusals(accepted, target) == []


def _manifest(fragment: Any, kind: str) -> str:
    """A job with the fragment, whose container mounts its volumes."""
    train = {"name": "train", "image": "a:1", "command": ["a"]}
    sized = {"cpu": "1", "memory": "1Gi"}
    given = [train | one for one in fragment.get("containers", [{}])]
    for one in given:
        own = one.get("resources", {})
        lists = {field: {**sized, **own.get(field, {})} for field in ("requests", "limits")}
        one["resources"] = {**own, **lists}
        one["volumeMounts"] = [{"name": volume["name"], "mountPath": "/x"} for volume in fragment.get("volumes", [])]
    template = {"spec": {"restartPolicy": "Never", **fragment, "containers": given}}
    tasks = {"minAvailable": 1, "tasks": [{"name": "worker", "replicas": 1, "template": template}]}
    spec = {"schedulerName": "volcano", **tasks} if kind == "volcano" else {"template": template}
    group = "batch.volcano.sh/v1alpha1" if kind == "volcano" else "batch/v1"
    return yaml.safe_dump({"apiVersion": group, "kind": "Job", "metadata": {"name": "a"}, "spec": spec})


def _errors(fragment: Any, kind: str) -> list[str]:
    text = _manifest(yaml.safe_load(yaml.safe_dump(_lists(fragment))), kind)
    return [d.code for d in findings(text) if d.severity is Severity.ERROR]


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("kind", ["volcano", "job"])
@pytest.mark.parametrize(("refused", "accepted"), FRAGMENTS, ids=str)
def test_lint_refuses_what_the_server_refuses(refused: Any, accepted: Any, kind: str) -> None:
    assert _errors(refused, kind)
    assert _errors(accepted, kind) == []


@pytest.mark.parametrize(("refused", "accepted"), WEBHOOK, ids=str)
def test_the_webhook_of_volcano_refuses_more(refused: Any, accepted: Any) -> None:
    wrong, right = ({"containers": [{"name": "train", **fields}]} for fields in (refused, accepted))
    assert (_refusals(wrong, "volcano"), _refusals(wrong, "job"), _refusals(right, "volcano")) == (["FTC517"], [], [])
    assert _errors(wrong, "volcano")
    assert (_errors(wrong, "job"), _errors(right, "volcano")) == ([], [])
