"""The schemas of what ftc writes, for the versions of a cluster."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.resources import directory

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"


def kubernetes_versions() -> list[str]:
    """The minors of Kubernetes that there are schemas for, oldest first."""
    files = (directory("schemas") / "kubernetes").glob("*.schema.json")
    return sorted((file.name.removesuffix(".schema.json") for file in files), key=_number)


def volcano_versions() -> list[str]:
    """The minors of Volcano that the schema knows, oldest first."""
    return list(_volcano_layer()["x-volcano-kubernetes"])


@cache
def volcano_job(volcano: str, kubernetes: str) -> Validator:
    """The schema of a Volcano Job; what is newer than `volcano` is dropped, so that it is refused."""
    layer = _pruned(_volcano_layer(), _number(volcano))
    base = _kubernetes(min(kubernetes, layer["x-volcano-kubernetes"][volcano], key=_number))
    return _validator({**layer, "$defs": {**base["$defs"], **layer["$defs"]}})


_OBJECTS = {
    "Job": "io.k8s.api.batch.v1.Job",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "Service": "io.k8s.api.core.v1.Service",
}


@cache
def kubernetes_object(kind: str, kubernetes: str) -> Validator:
    """The schema of an object that Kubernetes itself knows."""
    return _validator({"$ref": f"#/$defs/{_OBJECTS[kind]}", "$defs": _kubernetes(kubernetes)["$defs"]})


@cache
def pod_template(volcano: str, kubernetes: str) -> Validator:
    """The schema of the pod template inside a Volcano Job."""
    schema: Any = volcano_job(volcano, kubernetes).schema
    return _validator({"$ref": f"#/$defs/{POD_TEMPLATE}", "$defs": schema["$defs"]})


def kubernetes_definitions(kubernetes: str) -> dict[str, Any]:
    """The definitions of Kubernetes' own objects, which refer to each other by `#/$defs/…`."""
    definitions: dict[str, Any] = _kubernetes(kubernetes)["$defs"]
    return definitions


def _validator(schema: dict[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s that `ftc list` need not pay

    return Draft202012Validator(schema)


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
    """Without the members that `x-volcano-since` says are newer than the target."""
    if isinstance(node, dict):
        return {key: _pruned(value, target) for key, value in node.items() if _is_there(value, target)}
    if isinstance(node, list):
        return [_pruned(item, target) for item in node if _is_there(item, target)]
    return node


def _is_there(node: Any, target: tuple[int, ...]) -> bool:
    since = node.get("x-volcano-since") if isinstance(node, dict) else None
    return not isinstance(since, str) or _number(since) <= target
