"""Make the output schemas of JobSet, Kubeflow Trainer and KServe, kubeflow/<kind>.schema.json.

Source: the resource definitions of kubernetes-sigs/jobset, kubeflow/trainer and kserve/kserve (all Apache-2.0).
tests/crds/kubeflow.json has the schemas of RELEASES, without descriptions and status; a subtree that occurs several
times is in its `$defs`.

Run `python schemas/make_kubeflow.py` to write the output schemas, with `--check` to compare only, and with
`--definitions DIRECTORY` to read definitions again, from files <project>-<release>-<plural>.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Schema = dict[str, Any]

DIRECTORY: Final = Path(__file__).parent / "kubeflow"
DEFINITIONS: Final = Path(__file__).parents[1] / "tests" / "crds" / "kubeflow.json"
# The files of definitions, and for each kind the one that its output schema is made from.
TRAINER: Final = ("v2.0.1", "v2.1.0", "v2.2.1", "v2.3.0")
RELEASES: Final = (
    "jobset-v0.12.0-jobsets",
    *(f"trainer-{version}-{plural}" for version in TRAINER for plural in ("trainingruntimes", "trainjobs")),
    "kserve-v0.20.0-inferenceservices",
)
KINDS: Final = {
    "jobset": "jobset-v0.12.0-jobsets",
    "trainingruntime": "trainer-v2.3.0-trainingruntimes",
    "trainjob": "trainer-v2.3.0-trainjobs",
    "inferenceservice": "kserve-v0.20.0-inferenceservices",
}
# Shorter subtrees stay where they are.
SHARED_FROM: Final = 200

JOB_SPEC: Final = {"$ref": "#/$defs/io.k8s.api.batch.v1.JobSpec"}
META: Final = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
WORD: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
# The webhook of JobSet (pkg/webhooks/jobset_webhook.go): names of Services and pods are labels of RFC 1035.
LABEL: Final = {"type": "string", "maxLength": 63, "pattern": rf"^{WORD}$(?!\n)"}
PREFIX: Final = {"type": "string", "maxLength": 58, "pattern": r"^[a-z][-a-z0-9]*$(?!\n)"}
RULE_NAME: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "pattern": r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$(?!\n)",
}
COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
# What replaces the definition's schema at a path; `*` is an item of a list.
JOBSET: Final[dict[str, Schema]] = {
    "replicatedJobs/*/template/metadata": META,
    "replicatedJobs/*/template/spec": JOB_SPEC,
    "replicatedJobs/*/name": LABEL,
    "replicatedJobs/*/replicas": COUNT,
    "failurePolicy/maxRestarts": COUNT,
    "failurePolicy/rules/*/name": RULE_NAME,
    "failurePolicy/rules/*/onJobFailureReasons/*": {
        "enum": [
            "BackoffLimitExceeded",
            "DeadlineExceeded",
            "FailedIndexes",
            "MaxFailedIndexesExceeded",
            "PodFailurePolicy",
        ]
    },
}
# Kubernetes' own types replace their copies in the definition.
_CORE: Final = "#/$defs/io.k8s.api.core.v1"
_SERVED: Final = "spec/predictor"
_OF_PODS: Final = {
    "affinity": "Affinity",
    "dnsConfig": "PodDNSConfig",
    "securityContext": "PodSecurityContext",
    "tolerations/*": "Toleration",
    "topologySpreadConstraints/*": "TopologySpreadConstraint",
    "volumes/*": "Volume",
    "model/env/*": "EnvVar",
    "model/envFrom/*": "EnvFromSource",
    "model/lifecycle": "Lifecycle",
    "model/livenessProbe": "Probe",
    "model/ports/*": "ContainerPort",
    "model/readinessProbe": "Probe",
    "model/resources": "ResourceRequirements",
    "model/securityContext": "SecurityContext",
    "model/startupProbe": "Probe",
    "model/volumeMounts/*": "VolumeMount",
}
_OF_RUNTIME: Final = "spec/template/spec"
CLOSER: Final[dict[str, dict[str, Schema]]] = {
    "jobset": {f"spec/{path}": schema for path, schema in JOBSET.items()},
    "trainingruntime": {
        **{f"{_OF_RUNTIME}/{path}": schema for path, schema in JOBSET.items()},
        "spec/template/metadata": META,
        "spec/mlPolicy/numNodes": COUNT,
    },
    "trainjob": {"spec/runtimeRef/kind": {"enum": ["ClusterTrainingRuntime", "TrainingRuntime"]}},
    "inferenceservice": {f"{_SERVED}/{path}": {"$ref": f"{_CORE}.{name}"} for path, name in _OF_PODS.items()},
}
REQUIRED: Final[dict[str, dict[str, list[str]]]] = {
    "jobset": {"spec": ["replicatedJobs"]},
    "trainingruntime": {"spec": ["mlPolicy", "template"], "spec/template": ["spec"], _OF_RUNTIME: ["replicatedJobs"]},
    "trainjob": {},
    "inferenceservice": {_SERVED: ["model"], f"{_SERVED}/model": ["modelFormat", "resources", "storageUri"]},
}
# The overrides of the runtime: releases name and merge them differently, so ftc never writes them.
# Other kinds of models, and the parts of an InferenceService that the runtime has.
_OTHER_MODELS: Final = (
    *("containers", "huggingface", "initContainers", "lightgbm", "onnx", "paddle", "pmml", "pytorch", "sklearn"),
    *("tensorflow", "triton", "workerSpec", "xgboost"),
)
NEVER_WRITTEN: Final = (
    *("spec/initializer", "spec/runtimePatches", "spec/trainer"),
    *("spec/canary", "spec/explainer", "spec/transformer"),
    *(f"{_SERVED}/{name}" for name in _OTHER_MODELS),
)
NAMES: Final = {
    "jobset": ("jobset.x-k8s.io", "JobSet"),
    "trainingruntime": ("trainer.kubeflow.org", "TrainingRuntime"),
    "trainjob": ("trainer.kubeflow.org", "TrainJob"),
    "inferenceservice": ("serving.kserve.io", "InferenceService"),
}


def imported(directory: Path) -> str:
    """Render tests/crds/kubeflow.json from the files of a directory."""
    schemas: dict[str, Schema] = {}
    for release in RELEASES:
        (version,) = json.loads((directory / f"{release}.json").read_text("utf-8"))["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"].pop("status", None)
        schemas[release] = {"x-version": version["name"], **schema}
    counts = Counter(text for schema in schemas.values() for text in _subtrees(schema))
    shared: dict[str, Any] = {}
    made = {release: _sharing(schema, counts, shared) for release, schema in schemas.items()}
    comment = "kubernetes-sigs/jobset, kubeflow/trainer, kserve/kserve (Apache-2.0); made by schemas/make_kubeflow.py"
    return _rendered({"$comment": comment, "$defs": shared, **made})


def _subtrees(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if len(text := json.dumps(node, sort_keys=True)) >= SHARED_FROM:
            yield text
        for value in node.values():
            yield from _subtrees(value)
    elif isinstance(node, list):
        for item in node:
            yield from _subtrees(item)


def _sharing(node: Any, counts: Counter[str], shared: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_sharing(item, counts, shared) for item in node]
    if not isinstance(node, dict):
        return node
    text = json.dumps(node, sort_keys=True)
    made = {key: _sharing(value, counts, shared) for key, value in node.items()}
    if counts[text] < 2:  # noqa: PLR2004 - occurs elsewhere too
        return made
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    shared[name] = made
    return {"$ref": f"#/$defs/{name}"}


def definitions() -> dict[str, Schema]:
    """Read the definition of each release, with its shared parts in place."""
    stored = json.loads(DEFINITIONS.read_text("utf-8"))
    return {release: _expanded(stored[release], stored["$defs"]) for release in RELEASES}


def _expanded(node: Any, shared: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_expanded(item, shared) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _expanded(shared[node["$ref"].rpartition("/")[2]], shared)
    return {key: _expanded(value, shared) for key, value in node.items()}


def output_schema(kind: str, definition: Schema) -> Schema:
    """Make the strict schema of a kind: closed, with the parts of Kubernetes by reference."""
    properties = definition["properties"]
    group, name = NAMES[kind]
    metadata = {
        "type": "object",
        "oneOf": [{"required": ["name"]}, {"required": ["generateName"]}],
        "additionalProperties": False,
        "properties": {
            "name": LABEL,
            "generateName": PREFIX,
            "namespace": {"type": "string", "maxLength": 63, "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$(?!\n)"},
            "labels": {"$ref": "#/$defs/labels"},
            "annotations": {"$ref": "#/$defs/annotations"},
        },
    }
    own = {
        "apiVersion": {"const": f"{group}/{definition['x-version']}"},
        "kind": {"const": name},
        "metadata": metadata,
    }
    rest = {key: _strict(kind, value, key) for key, value in properties.items() if key not in own}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name} as ftc writes it",
        "$comment": f"{KINDS[kind]} (Apache-2.0); made by schemas/make_kubeflow.py, a layer over kubernetes/",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": own | rest,
    }


def _strict(kind: str, schema: Schema, path: str) -> Schema:
    """The schema without unknown keys, lists of maps without items, and notes for the server."""
    if path in CLOSER[kind]:
        return CLOSER[kind][path]
    made = {key: value for key, value in schema.items() if key in ("type", "enum", "pattern", "maxLength", "minLength")}
    made |= {key: schema[key] for key in ("minimum", "maximum", "minItems", "maxItems") if key in schema}
    if schema.get("format") == "int32":
        made = {"minimum": -(2**31), "maximum": 2**31 - 1} | made
    required = [*schema.get("required", []), *REQUIRED[kind].get(path, [])]
    if required:
        made["required"] = required
    if "items" in schema:
        made["items"] = _strict(kind, schema["items"], f"{path}/*")
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = _strict(kind, schema["additionalProperties"], f"{path}/*")
    elif schema.get("type") == "object":
        made["additionalProperties"] = False
        inner = {f"{path}/{key}": value for key, value in schema.get("properties", {}).items()}
        kept = {place: value for place, value in inner.items() if place not in NEVER_WRITTEN}
        made["properties"] = {place.rpartition("/")[2]: _strict(kind, value, place) for place, value in kept.items()}
    return made


def _rendered(document: Schema) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def documents() -> dict[str, str]:
    """Render every output schema, by the name of its file."""
    read = definitions()
    return {f"{kind}.schema.json": _rendered(output_schema(kind, read[release])) for kind, release in KINDS.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with --check compare them and return 1 on a difference."""
    parser = argparse.ArgumentParser(description="Make schemas/kubeflow/<kind>.schema.json.")
    parser.add_argument("--check", action="store_true", help="compare with the files on disk only")
    parser.add_argument("--definitions", type=Path, metavar="DIRECTORY", help="read the resource definitions again")
    given = parser.parse_args(arguments)
    if given.definitions:
        DEFINITIONS.write_text(imported(given.definitions), "utf-8")
    wanted = documents()
    present = {path.name: path.read_text("utf-8") for path in DIRECTORY.glob("*.schema.json")}
    differing = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if given.check:
        sys.stderr.writelines(f"not current: kubeflow/{name}\n" for name in differing)
        return 1 if differing else 0
    for name, text in wanted.items():
        (DIRECTORY / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
