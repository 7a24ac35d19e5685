"""What the documents of an input are: objects of Kubernetes, each with what its schema says and as a type."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.lint import schemas
from ftc.lint.manifest import BatchJob, Claim, ConfigMap, Service, VolcanoJob
from ftc.lint.pod_manifest import Template
from ftc.lint.text import Spot
from ftc.source import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json

# Who has more mistakes than these in one object has no use for more.
MAX_MISMATCHES = 100
# No list of a job is longer; rules may compare each entry with each.
MAX_ENTRIES = 300
# What a longer one is reported as; it is no mistake, but nothing else is said of the object.
UNSEEN = "unseen"

Typed: TypeAlias = VolcanoJob | BatchJob | Service | Claim | ConfigMap | Template


class Versions(msgspec.Struct, frozen=True):
    """The versions of the cluster that the manifests are for."""

    kubernetes: str
    volcano: str


class Kind(StrEnum):
    """What a document is."""

    VOLCANO = "VolcanoJob"
    BATCH = "Job"
    SERVICE = "Service"
    CLAIM = "PersistentVolumeClaim"
    CONFIG_MAP = "ConfigMap"
    POD = "Pod"


class Mismatch(msgspec.Struct, frozen=True):
    """One thing that the schema does not allow, as jsonschema says it."""

    path: tuple[str | int, ...]
    validator: str
    wanted: Any
    schema: Any
    instance: Any
    message: str


class Object(msgspec.Struct, frozen=True):
    """One object: where it stands, what its schema says, and its content, where that can be made out.

    `path` leads to what is typed: the object itself, or the template of a pod in an object of another kind.
    """

    document: Document
    path: tuple[str | int, ...]
    kind: Kind
    data: Any
    mismatches: tuple[Mismatch, ...]
    content: Typed | None
    versions: Versions

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the object."""
        return Spot(self.document, (*self.path, *path))

    def has(self, *path: str | int) -> bool:
        """Whether the key is written, fit or not."""
        return self.raw(*path) is not None

    def raw(self, *path: str | int) -> Any:
        """What is written at a key, fit or not; None where nothing is."""
        node = self.data
        for part in path:
            inside = part < len(node) if isinstance(node, list) and isinstance(part, int) else False
            if not inside and not (isinstance(node, dict) and part in node):
                return None
            node = node[part]
        return node


_TYPES: dict[Kind, type[Typed]] = {
    Kind.VOLCANO: VolcanoJob,
    Kind.BATCH: BatchJob,
    Kind.SERVICE: Service,
    Kind.CLAIM: Claim,
    Kind.CONFIG_MAP: ConfigMap,
    Kind.POD: Template,
}


def objects(document: Document, versions: Versions) -> Iterator[Object]:
    """The objects of a document; a List has several, what is no object of ours has none."""
    for path, data in _items(document.data):
        clean = _clean(data)
        kind, inner = _kind(clean)
        if kind is not None:
            yield _object(document, (*path, *inner), kind, _at(clean, inner), versions)


def _items(data: Any) -> Iterable[tuple[KeyPath, Any]]:
    if isinstance(data, dict) and isinstance(data.get("items"), list) and str(data.get("kind", "")).endswith("List"):
        return [(("items", index), item) for index, item in enumerate(data["items"])]
    return [((), data)]


def _clean(node: Any) -> Any:
    """Without nulls, which a server takes for nothing there; keys are texts."""
    if isinstance(node, dict):
        return {str(key): _clean(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_clean(item) for item in node]
    return node


_SIMPLE = {("v1", kind.value): kind for kind in (Kind.SERVICE, Kind.CLAIM, Kind.CONFIG_MAP)}


def _kind(data: Any) -> tuple[Kind | None, KeyPath]:
    """What an object is, misspellings of its kind and group included, and where its typed part lies."""
    if not isinstance(data, dict):
        return None, ()
    group, kind = str(data.get("apiVersion", "")), str(data.get("kind", ""))
    found = _SIMPLE.get((group, kind)) or _job(group.partition("/")[0], kind, data.get("spec"))
    path = _TEMPLATES.get(kind)
    if found is None and path is not None and _is_template(_at(data, path)):
        return Kind.POD, path
    return found, ()


def _job(group: str, kind: str, spec: Any) -> Kind | None:
    keys = spec.keys() if isinstance(spec, dict) else set()
    if "volcano" in group and not group.startswith("batch"):
        return Kind.VOLCANO if "tasks" in keys else None
    of_volcano = bool(keys & {"tasks", "minAvailable"})
    if group == "batch" and kind not in _OF_JOBS and not of_volcano and (kind == "Job" or "template" in keys):
        return Kind.BATCH
    if kind.casefold() not in ("job", "jobs", "vcjob", "volcanojob") and "tasks" not in keys:
        return None
    if group.startswith("batch.") or of_volcano:
        return Kind.VOLCANO if kind not in _OF_JOBS else None
    return Kind.BATCH if group in ("batch", "") and "template" in keys else None


_OF_JOBS = ("CronJob", "JobFlow", "JobTemplate")
_INNER: KeyPath = ("spec", "template")
_TEMPLATES: dict[str, KeyPath] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", *_INNER),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), _INNER),
}


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _is_template(data: Any) -> bool:
    spec = data.get("spec") if isinstance(data, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("containers"), list)


def _object(document: Document, path: KeyPath, kind: Kind, data: Json, versions: Versions) -> Object:
    checked = {key: data[key] for key in ("metadata", "spec") if key in data} if kind is Kind.POD else data
    fit: Any = checked
    errors = list(islice(_validator(kind, versions).iter_errors(fit), MAX_MISMATCHES))
    for error in errors:
        fit = _without(fit, error)
    mismatches = [_mismatch(error) for error in errors]
    longest = _too_long(fit, ())
    if longest is not None:
        mismatches.append(Mismatch(longest, UNSEEN, MAX_ENTRIES, {}, None, ""))
    content = _converted(fit, _TYPES[kind]) if longest is None else None
    return Object(document, path, kind, data, tuple(mismatches), content, versions)


def _too_long(node: Any, path: KeyPath) -> KeyPath | None:
    """A list or mapping with more entries than anybody has written."""
    if not isinstance(node, dict | list):
        return None
    if len(node) > MAX_ENTRIES:
        return path
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    return next((found for key, value in entries if (found := _too_long(value, (*path, key))) is not None), None)


def _validator(kind: Kind, versions: Versions) -> Validator:
    match kind:
        case Kind.VOLCANO:
            return schemas.volcano(versions.volcano, versions.kubernetes)
        case Kind.BATCH:
            return schemas.kubernetes("io.k8s.api.batch.v1.Job", versions.kubernetes)
        case Kind.SERVICE | Kind.CLAIM:
            return schemas.kubernetes(f"io.k8s.api.core.v1.{kind.value}", versions.kubernetes)
        case Kind.CONFIG_MAP:
            return schemas.config_map(versions.kubernetes)
        case Kind.POD:
            return schemas.pod_template(versions.kubernetes)


def _mismatch(error: ValidationError) -> Mismatch:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, str(error.instance))
    return Mismatch(path, str(error.validator), error.validator_value, error.schema, error.instance, error.message)


_EMPTY: dict[str, Any] = {"string": "", "object": {}, "array": [], "integer": 0, "number": 0, "boolean": False}


def _without(data: Any, error: ValidationError) -> Any:
    """The data without what has another type than it should, or is below zero; in a list something empty stays."""
    path = list(error.absolute_path)
    if error.validator not in ("type", "minimum") or not path:
        return data
    wanted = error.validator_value if isinstance(error.validator_value, str) else "string"
    wanted = "integer" if error.validator == "minimum" else wanted
    return _replaced(data, path, _EMPTY[wanted])


def _replaced(data: Any, path: list[str | int], empty: Any) -> Any:
    first, *rest = path
    if isinstance(data, list) and isinstance(first, int) and first < len(data):
        item = _replaced(data[first], rest, empty) if rest else empty
        return [*data[:first], item, *data[first + 1 :]]
    if isinstance(data, dict) and first in data:
        others = {key: value for key, value in data.items() if key != first}
        return {**data, first: _replaced(data[first], rest, empty)} if rest else others
    return data


def _converted(data: Any, kind: type[Typed]) -> Typed | None:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, OverflowError):
        return None  # something else than a type is so wrong that nothing can be made of it; the schema has said it
