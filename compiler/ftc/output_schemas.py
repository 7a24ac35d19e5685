"""The schemas of what ftc emits, for the versions of a cluster, and the constraints that they lack.

Kubernetes' own validation constrains values beyond the types of its OpenAPI documents.
"""

from __future__ import annotations

import json
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jsonschema_rs
    from jsonschema import ValidationError


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


class Schema:
    """A schema that validates fast, and explains errors in jsonschema's words.

    jsonschema-rs takes a hundredth of jsonschema's time on a manifest, and a quarter of its time to import.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def is_valid(self, value: Any) -> bool:
        """Whether the value fits."""
        try:
            return self._compiled.is_valid(value)
        except ValueError:  # it accepts only keys that are strings in UTF-8
            return False

    def iter_errors(self, value: Any) -> Iterator[ValidationError]:
        """Why the value does not fit."""
        if self.is_valid(value):
            return
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s, only for an invalid value

        yield from Draft202012Validator(self.schema).iter_errors(value)

    @cached_property
    def _compiled(self) -> jsonschema_rs.Draft202012Validator:
        import jsonschema_rs  # noqa: PLC0415 - 30 ms that `ftc list` need not pay

        return jsonschema_rs.Draft202012Validator(self.schema)


@cache
def kubernetes_versions() -> tuple[str, ...]:
    """The minor versions of Kubernetes that have schemas, oldest first."""
    files = (directory("schemas") / "kubernetes").glob("*.schema.json")
    return tuple(sorted((file.name.removesuffix(".schema.json") for file in files), key=_number))


def volcano_versions() -> tuple[str, ...]:
    """The minor versions of Volcano that the schema covers, oldest first."""
    return tuple(_volcano_layer()["x-volcano-kubernetes"])


@cache
def volcano_job(volcano: str, kubernetes: str) -> Schema:
    """The schema of a Volcano Job; fields newer than `volcano` are removed, so that they are refused."""
    layer = _pruned(_volcano_layer(), _number(volcano))
    base = _kubernetes(min(kubernetes, layer["x-volcano-kubernetes"][volcano], key=_number))
    return Schema({**layer, "$defs": {**base["$defs"], **layer["$defs"]}})


_OBJECTS = {
    "Job": "io.k8s.api.batch.v1.Job",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "Service": "io.k8s.api.core.v1.Service",
}


@cache
def kubernetes_object(kind: str, kubernetes: str) -> Schema:
    """The schema of a built-in object of Kubernetes."""
    return Schema({"$ref": f"#/$defs/{_OBJECTS[kind]}", "$defs": _kubernetes(kubernetes)["$defs"]})


POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"
_PIECES = (POD_TEMPLATE, "io.k8s.api.core.v1.PodSpec")


@cache
def pod_fragment(volcano: str, kubernetes: str) -> Schema:
    """The schema of a fragment of the pod template in a Volcano Job; no field is required."""
    defs = narrowed(volcano_job(volcano, kubernetes).schema["$defs"])
    pieces = {name: {key: value for key, value in defs[name].items() if key != "required"} for name in _PIECES}
    return Schema({"$ref": f"#/$defs/{POD_TEMPLATE}", "$defs": {**defs, **pieces}})


def kubernetes_definitions(kubernetes: str) -> dict[str, Any]:
    """The definitions of Kubernetes' own objects, which refer to each other by `#/$defs/…`."""
    definitions: dict[str, Any] = _kubernetes(kubernetes)["$defs"]
    return definitions


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@cache
def _volcano_layer() -> dict[str, Any]:
    return _load("volcano-job.schema.json")


def _kubernetes(minor: str) -> dict[str, Any]:
    return _load(f"kubernetes/{minor}.schema.json")


def _load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((directory("schemas") / name).read_bytes())
    return schema


def _pruned(node: Any, target: tuple[int, ...]) -> Any:
    """Remove the members that are newer than the target according to `x-volcano-since`."""
    if isinstance(node, dict):
        return {key: _pruned(value, target) for key, value in node.items() if _is_there(value, target)}
    if isinstance(node, list):
        return [_pruned(item, target) for item in node if _is_there(item, target)]
    return node


def _is_there(node: Any, target: tuple[int, ...]) -> bool:
    since = node.get("x-volcano-since") if isinstance(node, dict) else None
    return not isinstance(since, str) or _number(since) <= target
