"""The output schemas as hand-written manifests are held against them.

What ftc never writes and a server takes is allowed; what a rule says better, with two places in view, is left to it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.constraints import LABEL, NAME, constrained
from ftc.output_schemas import POD_TEMPLATE, kubernetes_definitions, volcano_job

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from ftc.spec.base import Json

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


_TEXT: Json = {"type": "string"}


_TEXTS: Json = {"type": "array", "items": _TEXT}


# What the server writes, and `kubectl get -o yaml` prints.
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
        "data": {"type": "object", "additionalProperties": _TEXT},
        "binaryData": {"type": "object", "additionalProperties": _TEXT},
        "immutable": {"type": "boolean"},
    },
}


@cache
def _of_yaml() -> type[Validator]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s that compile need not pay
    from jsonschema.validators import extend  # noqa: PLC0415 - the same

    # A number is not a text; here 1.0 is not a whole number, as Go reads it.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator: type[Validator] = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call] # untyped there
    return validator


@cache
def volcano(volcano: str, kubernetes: str) -> Validator:
    """A VolcanoJob; policies and plugins are judged by rules."""
    strict: Any = volcano_job(volcano, kubernetes).schema
    defs = constrained({**strict["$defs"], _META: _metadata(strict["$defs"][_META])})
    spec = strict["properties"]["spec"]
    spec = {
        **spec,
        "properties": {**spec["properties"], "plugins": {"type": "object", "additionalProperties": _TEXTS}},
    }
    defs["policy"] = _policy(defs["policy"])
    defs["task"] = {**defs["task"], "required": ["template"]}
    defs["volume"] = {key: value for key, value in defs["volume"].items() if key != "oneOf"}
    defs["networkTopology"] = {key: value for key, value in defs["networkTopology"].items() if key != "not"}
    return _validator(_object({**strict, "properties": {**strict["properties"], "spec": spec}}), defs)


def _policy(strict: Json) -> Json:
    """The types alone: which event goes with which action is a rule's."""
    properties = strict["properties"] | {"action": _TEXT, "event": _TEXT, "events": _TEXTS}
    properties["exitCode"] = {key: value for key, value in properties["exitCode"].items() if key != "not"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


@cache
def actions(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """What a policy may do in a version of Volcano: its webhook takes no other, whatever the definition lists."""
    return _words(volcano_job(volcano, kubernetes).schema["$defs"]["policy"]["properties"]["action"])


@cache
def events(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """What a policy may be for."""
    return _words(volcano_job(volcano, kubernetes).schema["$defs"]["event"])


@cache
def plugins(volcano: str, kubernetes: str) -> tuple[str, ...]:
    """The plugins that there are."""
    strict: Any = volcano_job(volcano, kubernetes).schema
    return tuple(strict["properties"]["spec"]["properties"]["plugins"]["properties"])


def _words(schema: Json) -> tuple[str, ...]:
    return tuple(word for one in schema["anyOf"] for word in (*one.get("enum", ()), *filter(None, [one.get("const")])))


# Its status has been True where nothing is said since 1.26; the definitions say so from 1.35 on.
_PATTERN = "io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern"


@cache
def kubernetes(definition: str, minor: str) -> Validator:
    """A batch Job, a Service, a claim."""
    defs = kubernetes_definitions(minor)
    name = {"PersistentVolumeClaim": NAME, "Service": LABEL}.get(definition.rpartition(".")[2], _TEXT)
    defs = {**defs, _META: _metadata(defs[_META], name), _PATTERN: {**defs[_PATTERN], "required": ["type"]}}
    return _validator(_object(defs[definition]), constrained(defs))


@cache
def config_map(minor: str) -> Validator:
    """A ConfigMap, which ftc does not write."""
    defs = kubernetes_definitions(minor)
    return _validator(_CONFIG_MAP, {**defs, _META: _metadata(defs[_META], NAME)})


@cache
def pod_template(minor: str) -> Validator:
    """The pod of any other object."""
    defs = kubernetes_definitions(minor)
    defs = constrained({**defs, _META: _metadata(defs[_META])})
    return _validator({"$ref": f"#/$defs/{POD_TEMPLATE}"}, defs)


def _object(schema: Json) -> Json:
    """A whole object: it may have a status, and a name beside a prefix for names."""
    metadata = schema["properties"]["metadata"]
    metadata = {key: value for key, value in metadata.items() if key != "oneOf"}
    if "properties" in metadata:
        metadata = _metadata(metadata)
    properties = {**schema["properties"], "metadata": metadata, "status": {}}
    required = [name for name in schema.get("required", ()) if name != "status"]
    return {**schema, "properties": properties, "required": required}


def _metadata(schema: Json, name: Json = _TEXT) -> Json:
    """What the server writes is allowed; the names of jobs are judged by rules."""
    properties = {**{name: {} for name in _SERVED}, **schema["properties"], "name": name, "generateName": _TEXT}
    return {**schema, "properties": properties}


def _validator(schema: Json, definitions: Json) -> Validator:
    known: dict[str, Any] = {}
    validator: Validator = _of_yaml()(_resolved({k: v for k, v in schema.items() if k != "$defs"}, definitions, known))
    return validator


def _resolved(node: Any, definitions: Json, known: dict[str, Any]) -> Any:
    """The schema with each reference replaced by what it refers to, once: following them takes half of the time.

    Lists of mappings lose `uniqueItems`, which compares each with each; rules look for what is there twice.
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
