"""The objects of an input: their kinds, their schema violations and their typed content."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.diagnostics.model import KeyPath
from ftc.manifests import schemas
from ftc.manifests.job_sets import JobSet, TrainingRuntime, TrainJob
from ftc.manifests.manifest import BatchJob, Claim, ConfigMap, Queue, Service, Template, VolcanoJob
from ftc.manifests.text import Spot
from ftc.source import Document
from ftc.spec.job import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jsonschema import ValidationError

    from ftc.output_schemas import Schema
    from ftc.spec.base import Json

# The `validator` of a list that is too long to validate; it is not an error, but ends the validation of the object.
UNVALIDATED = "unseen"


Typed: TypeAlias = (
    VolcanoJob | BatchJob | JobSet | TrainJob | TrainingRuntime | Service | Claim | ConfigMap | Queue | Template
)


class Versions(msgspec.Struct, frozen=True):
    """The versions that the manifests are for."""

    kubernetes: str
    volcano: str
    trainer: Trainer | None = None
    """The versions of LLaMA-Factory and transformers, if the user sets them."""


class Kind(StrEnum):
    """The kind of a document."""

    VOLCANO = "VolcanoJob"
    BATCH = "Job"
    JOB_SET = "JobSet"
    TRAIN_JOB = "TrainJob"
    RUNTIME = "TrainingRuntime"
    CLUSTER_RUNTIME = "ClusterTrainingRuntime"
    SERVICE = "Service"
    CLAIM = "PersistentVolumeClaim"
    CONFIG_MAP = "ConfigMap"
    QUEUE = "Queue"
    POD = "Pod"


class Mismatch(msgspec.Struct, frozen=True):
    """A violation of the schema, as jsonschema reports it."""

    path: tuple[str | int, ...]
    validator: str
    wanted: Any
    schema: Any
    instance: Any
    message: str


class Object(msgspec.Struct, frozen=True):
    """An object: its place, its schema violations, and its typed content if it can be converted.

    `path` leads to the typed part: the object itself, or the pod template in an object of another kind. `moved` has the
    parts that are at another place of the input, each with its place, the longest paths first.
    """

    document: Document
    path: tuple[str | int, ...]
    kind: Kind
    data: Any
    mismatches: tuple[Mismatch, ...]
    content: Typed | None
    versions: Versions
    moved: tuple[tuple[KeyPath, Spot], ...] = ()

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the object."""
        for here, there in self.moved:
            if path[: len(here)] == here:
                return Spot(there.document, (*there.path, *path[len(here) :]))
        return Spot(self.document, (*self.path, *path))

    def has(self, *path: str | int) -> bool:
        """Whether the key is present, valid or not."""
        return self.raw(*path) is not None

    def raw(self, *path: str | int) -> Any:
        """The value at a key, valid or not; None if the key is missing."""
        return written(self.data, path)


def written(data: Any, path: KeyPath) -> Any:
    """The value at a path in an object; None if the path does not exist."""
    for part in path:
        inside = part < len(data) if isinstance(data, list) and isinstance(part, int) else False
        if not inside and not (isinstance(data, dict) and part in data):
            return None
        data = data[part]
    return data


_SIMPLE_KINDS = {kind.value: kind for kind in (Kind.SERVICE, Kind.CLAIM, Kind.CONFIG_MAP)}


_SIMPLE = {name.casefold(): kind for name, kind in _SIMPLE_KINDS.items()}


_CREATE_JOBS = ("CronJob", "JobFlow", "JobTemplate")


_INNER: KeyPath = ("spec", "template")


# Volcano's CronJob, which creates VolcanoJobs.
_CRON = ("batch.volcano.sh/v1alpha1", "CronJob")


_IN_CRON: KeyPath = ("spec", "jobTemplate")


def _of_ray(*cluster: str) -> tuple[KeyPath, ...]:
    """The pod templates in the spec of a Ray cluster."""
    return (*cluster, "headGroupSpec", "template"), (*cluster, "workerGroupSpecs", "*", "template")


# The pod templates of other objects; `*` is each entry of a list or a mapping.
_TEMPLATES: dict[str, tuple[KeyPath, ...]] = {
    "Pod": ((),),
    "CronJob": (("spec", "jobTemplate", *_INNER),),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), (_INNER,)),
    "PyTorchJob": (("spec", "pytorchReplicaSpecs", "*", "template"),),
    "MPIJob": (("spec", "mpiReplicaSpecs", "*", "template"),),
    "RayCluster": _of_ray("spec"),
    "RayJob": (*_of_ray("spec", "rayClusterSpec"), ("spec", "submitterPodTemplate")),
}


# By kind, the group and a field of the spec, by which an object with a wrong group is recognized.
_JOBS = {
    "JobSet": (Kind.JOB_SET, "jobset.x-k8s.io", "replicatedJobs"),
    "TrainJob": (Kind.TRAIN_JOB, "trainer.kubeflow.org", "runtimeRef"),
    "TrainingRuntime": (Kind.RUNTIME, "trainer.kubeflow.org", "mlPolicy"),
    "ClusterTrainingRuntime": (Kind.CLUSTER_RUNTIME, "trainer.kubeflow.org", "mlPolicy"),
}


def kinds_of(data: Any) -> list[tuple[Kind, KeyPath]]:
    """The kinds of the typed parts of an object, with their paths; empty for a kind that lint does not check."""
    if not isinstance(data, dict):
        return []
    group, kind = str(data.get("apiVersion", "")), str(data.get("kind", ""))
    if (group, kind) == _CRON and written(data, (*_IN_CRON, "spec", "tasks")) is not None:
        return [(Kind.VOLCANO, _IN_CRON)]
    if group.startswith("scheduling.volcano.sh/") and kind == Kind.QUEUE:
        return [(Kind.QUEUE, ())]
    domain = group.partition("/")[0]
    found = _crd(domain, kind, data.get("spec")) or _simple(group, kind) or _job(domain, kind, data.get("spec"))
    if found is not None:
        return [(found, ())]
    paths = [path for pattern in _TEMPLATES.get(kind, ()) for path in _matches(data, pattern)]
    return [(Kind.POD, path) for path in paths if _is_template(written(data, path))]


def _matches(data: Any, pattern: KeyPath) -> list[KeyPath]:
    """The paths in the data that match a pattern."""
    if "*" not in pattern:
        return [pattern]
    index = pattern.index("*")
    inside = written(data, pattern[:index])
    keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
    return [path for key in keys for path in _matches(data, (*pattern[:index], key, *pattern[index + 1 :]))]


def typed(data: Any, inner: KeyPath) -> Any:
    """The typed part of an object.

    A job or pod that another object creates gets its namespace, and a job its group and name.
    """
    part = written(data, inner)
    if not inner:
        return part
    named = data["metadata"] if isinstance(data.get("metadata"), dict) else {}
    made = {key: value for key, value in named.items() if key == "namespace"}
    own = part.get("metadata", {})
    if inner != _IN_CRON:
        return {**part, "metadata": {**own, **made}} if isinstance(own, dict) else part
    made["generateName"] = f"{named.get('name', 'job')}-"
    own = own if isinstance(own, dict) else {}
    return {**part, "apiVersion": data["apiVersion"], "kind": "Job", "metadata": {**made, **own}}


def _simple(group: str, kind: str) -> Kind | None:
    """A Service, a claim or a ConfigMap, by its version, or by its kind if the version is wrong."""
    found = _SIMPLE.get(kind.casefold().removesuffix("s")) if group == "v1" else _SIMPLE_KINDS.get(kind)
    return found if group == "v1" or re.fullmatch(r"|v[0-9]\w*|core/v1", group) else None


def _crd(group: str, kind: str, spec: Any) -> Kind | None:
    """A JobSet, or an object of Kubeflow Trainer."""
    found, own, field = _JOBS.get(kind, (None, "", ""))
    return found if group == own or (isinstance(spec, dict) and field in spec) else None


def _job(group: str, kind: str, spec: Any) -> Kind | None:
    keys = spec.keys() if isinstance(spec, dict) else set()
    if "volcano" in group and not group.startswith("batch"):
        return Kind.VOLCANO if "tasks" in keys else None
    of_volcano = bool(keys & {"tasks", "minAvailable"})
    if group == "batch" and kind not in _CREATE_JOBS and not of_volcano and (kind == "Job" or "template" in keys):
        return Kind.BATCH
    if kind.casefold() not in ("job", "jobs", "vcjob", "volcanojob") and "tasks" not in keys:
        return None
    if group.startswith("batch.") or of_volcano:
        return Kind.VOLCANO if kind not in _CREATE_JOBS else None
    return Kind.BATCH if re.fullmatch(r"batch||v[0-9]\w*", group) and "template" in keys else None


def _is_template(data: Any) -> bool:
    spec = data.get("spec") if isinstance(data, dict) else None
    return isinstance(spec, dict) and isinstance(spec.get("containers"), list)


# More errors in one object would not help the user.
MAX_MISMATCHES = 100


# Lists of real jobs are shorter; rules may compare all pairs of entries.
MAX_ENTRIES = 300


_TYPES: dict[Kind, type[Typed]] = {
    Kind.VOLCANO: VolcanoJob,
    Kind.BATCH: BatchJob,
    Kind.JOB_SET: JobSet,
    Kind.TRAIN_JOB: TrainJob,
    Kind.RUNTIME: TrainingRuntime,
    Kind.CLUSTER_RUNTIME: TrainingRuntime,
    Kind.SERVICE: Service,
    Kind.CLAIM: Claim,
    Kind.CONFIG_MAP: ConfigMap,
    Kind.QUEUE: Queue,
    Kind.POD: Template,
}


def objects(document: Document, versions: Versions) -> Iterator[Object]:
    """The objects of a document: several in a List, none if lint does not check the kind."""
    for path, data in items(document.data):
        clean = _without_nulls(data)
        for kind, inner in kinds_of(clean):
            part = typed(clean, inner)
            yield Object(document, (*path, *inner), kind, part, *validated(part, kind, versions), versions)


def items(data: Any) -> Iterable[tuple[KeyPath, Any]]:
    """The objects of a document, each with its path: those of a List, or the document."""
    if isinstance(data, dict) and isinstance(data.get("items"), list) and str(data.get("kind", "")).endswith("List"):
        return [(("items", index), item) for index, item in enumerate(data["items"])]
    return [((), data)]


def _without_nulls(node: Any) -> Any:
    """The data without nulls, which the server ignores, and with keys as strings."""
    if isinstance(node, dict):
        return {str(key): _without_nulls(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_without_nulls(item) for item in node]
    return node


def validated(data: Json, kind: Kind, versions: Versions) -> tuple[tuple[Mismatch, ...], Typed | None]:
    """The schema violations of the data, and its typed content if it can be converted."""
    checked = {key: data[key] for key in ("metadata", "spec") if key in data} if kind is Kind.POD else data
    fit: Any = checked
    errors = list(islice(_validator(kind, versions).iter_errors(fit), MAX_MISMATCHES))
    for error in errors:
        fit = _without_invalid(fit, error)
    mismatches = [_mismatch(error) for error in errors]
    longest = _too_long(fit, ())
    if longest is not None:
        mismatches.append(Mismatch(longest, UNVALIDATED, MAX_ENTRIES, {}, None, ""))
    return tuple(mismatches), _converted(_with_integers(fit), _TYPES[kind]) if longest is None else None


def _with_integers(node: Any) -> Any:
    """The data with 2 for 2.0: clients send the JSON of both as 2."""
    if isinstance(node, dict):
        return {key: _with_integers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_integers(item) for item in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _too_long(node: Any, path: KeyPath) -> KeyPath | None:
    """The path of a list or mapping that is too long to be hand-written."""
    if not isinstance(node, dict | list):
        return None
    if len(node) > MAX_ENTRIES:
        return path
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    return next((found for key, value in entries if (found := _too_long(value, (*path, key))) is not None), None)


_SCHEMAS: dict[Kind, Callable[[str], Schema]] = {
    Kind.BATCH: partial(schemas.kubernetes, "io.k8s.api.batch.v1.Job"),
    Kind.SERVICE: partial(schemas.kubernetes, "io.k8s.api.core.v1.Service"),
    Kind.CLAIM: partial(schemas.kubernetes, "io.k8s.api.core.v1.PersistentVolumeClaim"),
    Kind.CONFIG_MAP: schemas.config_map,
    Kind.JOB_SET: schemas.job_set,
    Kind.TRAIN_JOB: schemas.train_job,
    Kind.RUNTIME: schemas.training_runtime,
    Kind.CLUSTER_RUNTIME: schemas.training_runtime,
    Kind.POD: schemas.pod_template,
}


def _validator(kind: Kind, versions: Versions) -> Schema:
    if kind is Kind.VOLCANO:
        return schemas.volcano(versions.volcano, versions.kubernetes)
    return schemas.queue() if kind is Kind.QUEUE else _SCHEMAS[kind](versions.kubernetes)


def _mismatch(error: ValidationError) -> Mismatch:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, str(error.instance))
    return Mismatch(path, str(error.validator), error.validator_value, error.schema, error.instance, error.message)


_EMPTY: dict[str, Any] = {"string": "", "object": {}, "array": [], "integer": 0, "number": 0, "boolean": False}


def _without_invalid(data: Any, error: ValidationError) -> Any:
    """The data without values of a wrong type and negative numbers; in a list an empty value replaces them."""
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
        return None  # the schema has reported an error that makes the object unusable
