"""The schemas of what ftc emits, for the versions of a cluster."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.constrained import constrained, narrowed
from ftc.resources import directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jsonschema_rs
    from jsonschema import ValidationError


Json: TypeAlias = dict[str, Any]


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
    "ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "Job": "io.k8s.api.batch.v1.Job",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "Service": "io.k8s.api.core.v1.Service",
}


@cache
def kubernetes_object(kind: str, kubernetes: str) -> Schema:
    """The schema of a built-in object of Kubernetes."""
    return Schema({"$ref": f"#/$defs/{_OBJECTS[kind]}", "$defs": _kubernetes(kubernetes)["$defs"]})


@cache
def kubeflow_object(kind: str, kubernetes: str) -> Schema:
    """The schema of a JobSet, TrainJob or TrainingRuntime.

    The parts that Volcano's layer replaces are those of any custom resource.
    """
    own = {name: _volcano_layer()["$defs"][name] for name in _OF_CUSTOM_RESOURCES}
    return Schema({**_load(f"kubeflow/{kind}.schema.json"), "$defs": {**_kubernetes(kubernetes)["$defs"], **own}})


_OF_CUSTOM_RESOURCES = (
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
)

POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"
_PIECES = (POD_TEMPLATE, "io.k8s.api.core.v1.PodSpec")


@cache
def pod_fragment(volcano: str, kubernetes: str) -> Schema:
    """The schema of a fragment of the pod template in a Volcano Job; no field is required."""
    defs = narrowed(volcano_job(volcano, kubernetes).schema["$defs"])
    pieces = {name: {key: value for key, value in defs[name].items() if key != "required"} for name in _PIECES}
    return Schema({"$ref": f"#/$defs/{POD_TEMPLATE}", "$defs": {**defs, **pieces}})


@cache
def pod_template(volcano: str, kubernetes: str, *, webhook: bool) -> Schema:
    """The schema of a whole pod template in a job, with the constraints of the server, or of Volcano's webhook too."""
    defs = constrained(volcano_job(volcano, kubernetes).schema["$defs"], volcano=webhook)
    return Schema({"$ref": f"#/$defs/{POD_TEMPLATE}", "$defs": defs})


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
    schema: dict[str, Any] = msgspec.json.decode((directory("schemas") / name).read_bytes())
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
