"""What Kubernetes' own validation asks of a value, beyond the types of its OpenAPI documents.

Source: Kubernetes, pkg/apis/core/validation and pkg/apis/batch/validation; runc, which takes absolute directories only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftc.spec.base import Json

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# What a shell or a template puts in before the manifest is sent is no name yet.
_LATER = r"|.*[${].*"
NAME: Json = {"type": "string", "maxLength": 253, "pattern": rf"^({_LABEL}(\.{_LABEL})*{_LATER}|)$"}
LABEL: Json = {"type": "string", "maxLength": 63, "pattern": rf"^({_LABEL}{_LATER}|)$"}
_DIRECTORY: Json = {"type": "string", "pattern": r"^([/$]|[A-Za-z]:|$)"}
# 0777
_MODE: Json = {"type": "integer", "minimum": 0, "maximum": 511}
_COUNTS = (
    *("activeDeadlineSeconds", "backoffLimit", "backoffLimitPerIndex", "completions", "maxFailedIndexes"),
    *("parallelism", "ttlSecondsAfterFinished"),
)
_COUNT: Json = {"type": "integer", "minimum": 0, "maximum": 2147483647}
_PORT: Json = {"type": "integer", "minimum": 1, "maximum": 65535}
FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
_FIELD: Json = {
    "type": "string",
    "pattern": rf"^({'|'.join(FIELDS)}|metadata\.(labels|annotations)(\['.*'\])?)$".replace(".n", r"\.n"),
}
RESOURCES = ("cpu", "memory", "ephemeral-storage")
_RESOURCE: Json = {"pattern": rf"^({'|'.join(RESOURCES)}|hugepages-.+|[^/]+/[^/]+)$"}
_EXISTS: Json = {
    "if": {"properties": {"operator": {"const": "Exists"}}, "required": ["operator"]},
    "then": {"properties": {"value": {"maxLength": 0}}},
}

_PROPERTIES: dict[str, Json] = {
    "core.v1.PersistentVolumeClaimVolumeSource": {"claimName": NAME},
    "core.v1.ConfigMapVolumeSource": {"name": NAME, "defaultMode": _MODE},
    "core.v1.SecretVolumeSource": {"secretName": NAME, "defaultMode": _MODE},
    "core.v1.ProjectedVolumeSource": {"defaultMode": _MODE},
    "core.v1.DownwardAPIVolumeSource": {"defaultMode": _MODE},
    "core.v1.KeyToPath": {"mode": _MODE},
    "core.v1.ObjectFieldSelector": {"fieldPath": _FIELD},
    "core.v1.ServicePort": {"port": _PORT},
    "core.v1.Container": {"workingDir": _DIRECTORY},
    "core.v1.PodSpec": {
        **dict.fromkeys(("serviceAccountName", "priorityClassName", "runtimeClassName"), NAME),
        **dict.fromkeys(("subdomain", "hostname"), LABEL),
    },
    "batch.v1.JobSpec": dict.fromkeys(_COUNTS, _COUNT),
}
_WHOLE: dict[str, Json] = {
    "core.v1.Toleration": _EXISTS,
    "core.v1.PersistentVolumeClaimSpec": {"required": ["accessModes", "resources"]},
}


def constrained(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions with these constraints, where a version of Kubernetes has what they are for."""
    changed = {name: {**node, **_WHOLE.get(_short(name), {})} for name, node in definitions.items()}
    for name, node in changed.items():
        added = {key: value for key, value in _PROPERTIES.get(_short(name), {}).items() if key in node["properties"]}
        if added:
            node["properties"] = {**node["properties"], **added}
    resources = changed["io.k8s.api.core.v1.ResourceRequirements"]
    claims = changed["io.k8s.api.core.v1.VolumeResourceRequirements"]
    for field in ("limits", "requests"):
        named = {**resources["properties"][field], "propertyNames": _RESOURCE}
        resources["properties"] = {**resources["properties"], field: named}
    storage = {**claims["properties"]["requests"], "required": ["storage"], "propertyNames": {"enum": ["storage"]}}
    claims["properties"] = {**claims["properties"], "requests": storage}
    claims["required"] = ["requests"]
    return changed


def _short(name: str) -> str:
    return name.removeprefix("io.k8s.api.")
