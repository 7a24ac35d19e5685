"""Constraints of Kubernetes' own validation on values, beyond the types of its OpenAPI documents.

Source: Kubernetes, pkg/apis/core/validation and pkg/apis/batch/validation; runc, which takes absolute directories only.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# A name may have a placeholder of a shell or a template that is filled in before the manifest is sent.
_LATER = r"|.*[${].*"
NAME: Json = {
    "type": "string",
    "maxLength": 253,
    "pattern": rf"^({_LABEL}(\.{_LABEL})*{_LATER}|)$",
    "description": "a name has lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
}
LABEL: Json = {
    "type": "string",
    "maxLength": 63,
    "pattern": rf"^({_LABEL}{_LATER}|)$",
    "description": "this name has lower-case letters, digits and '-', with a letter or digit at both ends",
}
_DIRECTORY: Json = {"type": "string", "pattern": r"^([/$]|[A-Za-z]:|$)", "description": "begin it with '/'"}
# validatePathNoBacksteps
_ONWARD: Json = {
    "type": "string",
    "pattern": r"^(?!(.*/)?\.\.(/|$))",
    "description": "'..' is refused: name the directory itself",
}
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
    "description": "a field is metadata.name, status.podIP and the like",
}
RESOURCES = ("cpu", "memory", "ephemeral-storage")
# IsExtendedResourceName: with `requests.` prepended, which it may not begin with, it is a qualified name.
_EXTENDED = rf"(?!requests\.)(?=[^/]{{1,244}}/){_LABEL}(\.{_LABEL})*/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_RESOURCE: Json = {"pattern": rf"^({'|'.join(RESOURCES)}|hugepages-.+|{_EXTENDED}{_LATER})$"}
# IsConfigMapKey
_KEY: Json = {
    "type": "string",
    "maxLength": 253,
    "pattern": r"^(?!\.\.)(?!\.$)([-._a-zA-Z0-9]+|.*[${].*|)$",
    "description": "a key has letters, digits, '-', '_' and '.', and does not begin with '..'",
}
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
    "core.v1.SecretKeySelector": {"key": _KEY},
    "core.v1.ConfigMapKeySelector": {"key": _KEY},
    "core.v1.HostPathVolumeSource": {"path": _ONWARD},
    "core.v1.VolumeMount": {"subPath": _ONWARD},
    "core.v1.TopologySpreadConstraint": {key: {**_COUNT, "minimum": 1} for key in ("maxSkew", "minDomains")},
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


def narrowed(definitions: dict[str, Any]) -> dict[str, Any]:
    """Add the constraints on single values, which hold in a fragment of an object too."""
    changed = {name: dict(node) for name, node in definitions.items()}
    for name, node in changed.items():
        added = {key: value for key, value in _PROPERTIES.get(_short(name), {}).items() if key in node["properties"]}
        if added:
            node["properties"] = {**node["properties"], **added}
    return changed


def constrained(definitions: dict[str, Any]) -> dict[str, Any]:
    """Add these constraints, as far as the version of Kubernetes has what they apply to."""
    changed = {name: {**node, **_WHOLE.get(_short(name), {})} for name, node in narrowed(definitions).items()}
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
