"""Objects made of documents: what does not fit a schema is noted and left out, and the rest has a type."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.lint import schemas
from ftc.lint.kinds import kind_of, typed
from ftc.lint.manifest import BatchJob, Claim, ConfigMap, Service, VolcanoJob
from ftc.lint.objects import UNSEEN, Kind, Mismatch, Object, Typed, Versions
from ftc.lint.pod_manifest import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from ftc.diagnostics.model import KeyPath
    from ftc.source import Document
    from ftc.spec.base import Json

# Who has more mistakes than these in one object has no use for more.
MAX_MISMATCHES = 100
# No list of a job is longer; rules may compare each entry with each.
MAX_ENTRIES = 300

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
        kind, inner = kind_of(clean)
        if kind is not None:
            part = typed(clean, inner)
            yield Object(document, (*path, *inner), kind, part, *_fitted(part, kind, versions), versions)


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


def _fitted(data: Json, kind: Kind, versions: Versions) -> tuple[tuple[Mismatch, ...], Typed | None]:
    checked = {key: data[key] for key in ("metadata", "spec") if key in data} if kind is Kind.POD else data
    fit: Any = checked
    errors = list(islice(_validator(kind, versions).iter_errors(fit), MAX_MISMATCHES))
    for error in errors:
        fit = _without(fit, error)
    mismatches = [_mismatch(error) for error in errors]
    longest = _too_long(fit, ())
    if longest is not None:
        mismatches.append(Mismatch(longest, UNSEEN, MAX_ENTRIES, {}, None, ""))
    return tuple(mismatches), _converted(fit, _TYPES[kind]) if longest is None else None


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
