"""The output schemas, adapted to validate hand-written manifests.

They allow what the server accepts but ftc never writes, and leave out what a rule can report with more context.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.constrained import constrained
from ftc.constraints import KEY, LABEL, NAME
from ftc.output_schemas import POD_TEMPLATE, Schema, kubernetes_definitions, volcano_job

if TYPE_CHECKING:
    from ftc.spec.base import Json

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


_TEXT: Json = {"type": "string"}


_TEXTS: Json = {"type": "array", "items": _TEXT}


# Fields that the server sets and `kubectl get -o yaml` prints.
_SERVED = (
    *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields"),
    *("resourceVersion", "selfLink", "uid", "ownerReferences", "finalizers", "clusterName"),
)


_CONFIG_MAP: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "v1"},
        "kind": {"const": "ConfigMap"},
        "metadata": {"$ref": f"#/$defs/{_META}"},
        "data": {"type": "object", "additionalProperties": _TEXT, "propertyNames": KEY},
        "binaryData": {"type": "object", "additionalProperties": _TEXT, "propertyNames": KEY},
        "immutable": {"type": "boolean"},
    },
}


# FTC827 reports the names of variables with the release of the server.
_VARIABLE = "io.k8s.api.core.v1.EnvVar"


_COUNT: Json = {"type": "integer", "minimum": 0}


_REFERS_TO_META: Json = {"$ref": f"#/$defs/{_META}"}


_REPLICATED_JOB: Json = {
    "type": "object",
    "required": ["name", "template"],
    "properties": {
        "name": _TEXT,
        "replicas": _COUNT,
        "template": {
            "type": "object",
            "properties": {"metadata": _REFERS_TO_META, "spec": {"$ref": "#/$defs/io.k8s.api.batch.v1.JobSpec"}},
        },
    },
}


_JOB_SET: Json = {
    "type": "object",
    "properties": {
        "replicatedJobs": {"type": "array", "items": _REPLICATED_JOB},
        "failurePolicy": {"type": "object", "properties": {"maxRestarts": _COUNT}},
        "network": {"type": "object", "properties": {"subdomain": _TEXT}},
        "volumeClaimPolicies": {"type": "array", "items": {"type": "object"}},
        "ttlSecondsAfterFinished": _COUNT,
    },
}


def _constrained(defs: Json, *, volcano: bool = False) -> Json:
    return {**constrained(defs, volcano=volcano), _VARIABLE: defs[_VARIABLE]}


@cache
def volcano(volcano: str, kubernetes: str) -> Schema:
    """The schema of a VolcanoJob; rules check policies and plugins."""
    strict: Any = volcano_job(volcano, kubernetes).schema
    defs = _constrained({**strict["$defs"], _META: _metadata(strict["$defs"][_META])}, volcano=True)
    spec = strict["properties"]["spec"]
    spec = {
        **spec,
        "properties": {
            **spec["properties"],
            "plugins": {"type": "object", "additionalProperties": _TEXTS},
            "queue": LABEL,  # an empty name means the default queue
        },
    }
    defs["policy"] = _policy(defs["policy"])
    defs["task"] = {**defs["task"], "required": ["template"]}
    defs["volume"] = {key: value for key, value in defs["volume"].items() if key != "oneOf"}
    defs["networkTopology"] = {key: value for key, value in defs["networkTopology"].items() if key != "not"}
    return _validator(_object({**strict, "properties": {**strict["properties"], "spec": spec}}), defs)


def _policy(strict: Json) -> Json:
    """Only the types: a rule checks the events and actions."""
    properties = strict["properties"] | {"action": _TEXT, "event": _TEXT, "events": _TEXTS}
    properties["exitCode"] = {key: value for key, value in properties["exitCode"].items() if key != "not"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


@cache
def actions(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """The actions of policies in a version of Volcano; the webhook rejects others that the definition lists."""
    return _words(volcano_job(volcano, kubernetes).schema["$defs"]["policy"]["properties"]["action"])


@cache
def events(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """The events of policies in a version of Volcano."""
    return _words(volcano_job(volcano, kubernetes).schema["$defs"]["event"])


@cache
def plugins(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """The plugins in a version of Volcano."""
    strict: Any = volcano_job(volcano, kubernetes).schema
    return tuple(strict["properties"]["spec"]["properties"]["plugins"]["properties"])


def _words(schema: Json) -> tuple[str, ...]:
    return tuple(word for one in schema["anyOf"] for word in (*one.get("enum", ()), *filter(None, [one.get("const")])))


# Its status defaults to True since 1.26; the definitions say so since 1.35.
_PATTERN = "io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern"


@cache
def kubernetes(definition: str, minor: str) -> Schema:
    """The schema of a batch Job, a Service or a claim."""
    defs = kubernetes_definitions(minor)
    name = {"PersistentVolumeClaim": NAME, "Service": LABEL}.get(definition.rpartition(".")[2], _TEXT)
    defs = {**defs, _META: _metadata(defs[_META], name), _PATTERN: {**defs[_PATTERN], "required": ["type"]}}
    return _validator(_object(defs[definition]), _constrained(defs))


@cache
def config_map(minor: str) -> Schema:
    """The schema of a ConfigMap, which ftc does not write."""
    defs = kubernetes_definitions(minor)
    return _validator(_CONFIG_MAP, {**defs, _META: _metadata(defs[_META], NAME)})


@cache
def queue() -> Schema:
    """The part of a queue of Volcano that rules read."""
    amounts = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    spec = {"type": "object", "properties": {"capability": amounts}}
    return _validator({"type": "object", "properties": {"spec": spec}}, {})


@cache
def pod_template(minor: str) -> Schema:
    """The schema of the pod template of any other object."""
    defs = kubernetes_definitions(minor)
    defs = _constrained({**defs, _META: _metadata(defs[_META])})
    return _validator({"$ref": f"#/$defs/{POD_TEMPLATE}"}, defs)


@cache
def job_set(minor: str) -> Schema:
    """The schema of the parts of a JobSet that rules read, with the whole Jobs."""
    return _partial(minor, "jobset.x-k8s.io/v1alpha2", _JOB_SET)


@cache
def training_runtime(minor: str) -> Schema:
    """The schema of the parts of a runtime of Kubeflow Trainer that rules read."""
    target: Json = {"type": "object", "properties": {"jobName": _TEXT, "containerNames": _TEXTS}}
    injection: Json = {"type": "object", "properties": {"targets": {"type": "array", "items": target}}}
    torch: Json = {"type": "object", "properties": {"envInjection": injection}}
    policy: Json = {"type": "object", "properties": {"numNodes": _COUNT, "torch": torch}}
    template: Json = {"type": "object", "properties": {"metadata": _REFERS_TO_META, "spec": _JOB_SET}}
    spec: Json = {"type": "object", "properties": {"mlPolicy": policy, "template": template}}
    return _partial(minor, _TRAINER, spec)


@cache
def train_job(minor: str) -> Schema:
    """The schema of the parts of a TrainJob that rules read."""
    trainer: Json = {
        "image": _TEXT,
        "command": _TEXTS,
        "args": _TEXTS,
        "env": {"type": "array", "items": {"$ref": f"#/$defs/{_VARIABLE}"}},
        "resourcesPerNode": {"$ref": "#/$defs/io.k8s.api.core.v1.ResourceRequirements"},
        "numNodes": _COUNT,
        "numProcPerNode": {"type": ["string", "integer"]},
    }
    reference: Json = {"type": "object", "properties": dict.fromkeys(("apiGroup", "kind", "name"), _TEXT)}
    properties = {**_TRAIN_JOB, "runtimeRef": reference, "trainer": _closed(trainer)}
    return _partial(minor, _TRAINER, _closed(properties))


# The other fields of all releases from 2.0 to 2.3.
_TRAIN_JOB: Json = {
    **{name: {"type": "array"} for name in ("podSpecOverrides", "podTemplateOverrides", "runtimePatches")},
    **{name: {} for name in ("activeDeadlineSeconds", "annotations", "initializer", "labels", "managedBy", "suspend")},
}


def _closed(properties: Json) -> Json:
    """The schema of an object with no other fields."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


_TRAINER = "trainer.kubeflow.org/v1alpha1"


def _partial(minor: str, version: str, spec: Json) -> Schema:
    """The schema of a custom resource: its group, in any version, this spec, and any other properties."""
    group = version.partition("/")[0]
    versions = {"if": {"not": {"pattern": f"^{re.escape(group)}/"}}, "then": {"const": version}}
    defs = kubernetes_definitions(minor)
    # A custom resource takes no fraction as a number, unlike batch/v1: 500m or "0.5", not 0.5.
    amount = {**defs[_QUANTITY], "type": ["string", "integer"]}
    defs = {**_constrained({**defs, _META: _metadata(defs[_META])}), _QUANTITY: amount}
    properties: Json = {"apiVersion": versions, "metadata": _REFERS_TO_META, "spec": spec}
    return _validator({"type": "object", "properties": properties}, defs)


def _object(schema: Json) -> Json:
    """The schema of an object, which may have a status, and both a name and a generateName."""
    metadata = schema["properties"]["metadata"]
    metadata = {key: value for key, value in metadata.items() if key != "oneOf"}
    if "properties" in metadata:
        metadata = _metadata(metadata)
    properties = {**schema["properties"], "metadata": metadata, "status": {}}
    required = [name for name in schema.get("required", ()) if name != "status"]
    return {**schema, "properties": properties, "required": required}


def _metadata(schema: Json, name: Json = _TEXT) -> Json:
    """The metadata with the fields that the server sets; rules check the names of jobs."""
    properties = {**{name: {} for name in _SERVED}, **schema["properties"], "name": name, "generateName": _TEXT}
    return {**schema, "properties": properties}


def _validator(schema: Json, definitions: Json) -> Schema:
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    return Schema(_resolved(inner, definitions, {}))


def _resolved(node: Any, definitions: Json, known: dict[str, Any]) -> Any:
    """The schema with its references resolved in advance: resolving them during validation takes half of the time.

    Lists of mappings lose `uniqueItems`, which compares all pairs; rules find duplicates.
    """
    if isinstance(node, list):
        return [_resolved(item, definitions, known) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {key: _resolved(value, definitions, known) for key, value in node.items() if key != "uniqueItems"}
    name = node["$ref"].rpartition("/")[2]
    if name not in known:
        known[name] = _resolved(definitions[name], definitions, known)
    return known[name]
