"""Make the Kubernetes output schemas, kubernetes/<minor>.schema.json.

Source: the PyPI package kubernetes-validate 1.37.0 (Apache-2.0), which carries the definitions of
Kubernetes' own OpenAPI documents (Apache-2.0), one release of each minor.

Run `python schemas/make_kubernetes.py` to write the files, with `--check` to compare only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

Schema = dict[str, Any]

PACKAGE: Final = "kubernetes-validate"
PACKAGE_VERSION: Final = "1.37.0"
OLDEST_MINOR: Final = 29
DIRECTORY: Final = Path(__file__).parent / "kubernetes"

BATCH: Final = "io.k8s.api.batch.v1."
CORE: Final = "io.k8s.api.core.v1."
META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
MERGE_KEY: Final = "x-kubernetes-patch-merge-key"

# apiVersion and kind of the objects that ftc writes.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    BATCH + "Job": ("batch/v1", "Job"),
    CORE + "ConfigMap": ("v1", "ConfigMap"),
    CORE + "PersistentVolumeClaim": ("v1", "PersistentVolumeClaim"),
    CORE + "Service": ("v1", "Service"),
}
ROOTS: Final = (*KINDS, CORE + "PodTemplateSpec")

# Fields that only the API server writes, or that it rejects in a pod template.
NEVER_WRITTEN: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(KINDS, ("status",)),
    CORE + "ConfigMap": ("binaryData",),
    CORE + "PodSpec": ("ephemeralContainers",),
    META + "ObjectMeta": (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    ),
}


def whole(pattern: str) -> str:
    """Make a pattern that matches the whole text; a bare `$` lets a newline slip through at the end."""
    return rf"^(?:{pattern})$(?!\n)"


LABEL_NAME: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
WORD: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL: Final[Schema] = {"type": "string", "maxLength": 63, "pattern": whole(WORD)}
DNS_SUBDOMAIN: Final[Schema] = {"type": "string", "maxLength": 253, "pattern": whole(rf"{WORD}(\.{WORD})*")}

# Definitions that replace the upstream one, or that upstream does not name.
OWN: Final[Mapping[str, Schema]] = {
    "annotations": {
        "type": "object",
        "propertyNames": {"pattern": whole(rf"([A-Za-z0-9][-A-Za-z0-9.]{{0,252}}/)?{LABEL_NAME}")},
        "additionalProperties": {"type": "string"},
    },
    "labels": {
        "type": "object",
        "propertyNames": {"pattern": whole(rf"([a-z0-9][-a-z0-9.]{{0,252}}/)?{LABEL_NAME}")},
        "additionalProperties": {"type": "string", "pattern": whole(f"({LABEL_NAME})?")},
    },
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "type": ["string", "number"],
        "pattern": whole(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"),
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}

BOUNDS: Final[Mapping[str, Schema]] = {"int32": {"minimum": -(2**31), "maximum": 2**31 - 1}}
LABELS: Final[Schema] = {"$ref": "#/$defs/labels"}
PROTOCOLS: Final[Schema] = {"enum": ["SCTP", "TCP", "UDP"]}
HONOR: Final[Schema] = {"enum": ["Honor", "Ignore"]}
PROFILES: Final[Schema] = {"enum": ["Localhost", "RuntimeDefault", "Unconfined"]}
RESTART: Final[Schema] = {"enum": ["Always", "Never", "OnFailure"]}
PRESENCE: Final = ("DoesNotExist", "Exists", "In", "NotIn")

# Fields that the API server checks closer than the OpenAPI document says, all minors alike.
CLOSER: Final[Mapping[str, Mapping[str, Schema]]] = {
    BATCH + "JobSpec": {
        "completionMode": {"enum": ["Indexed", "NonIndexed"]},
        "podReplacementPolicy": {"enum": ["Failed", "TerminatingOrFailed"]},
    },
    BATCH + "PodFailurePolicyOnExitCodesRequirement": {"operator": {"enum": ["In", "NotIn"]}},
    BATCH + "PodFailurePolicyRule": {"action": {"enum": ["Count", "FailIndex", "FailJob", "Ignore"]}},
    CORE + "AppArmorProfile": {"type": PROFILES},
    CORE + "Container": {
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "name": DNS_LABEL,
        "restartPolicy": RESTART,
        "terminationMessagePolicy": {"enum": ["FallbackToLogsOnError", "File"]},
    },
    CORE + "ContainerPort": {"protocol": PROTOCOLS},
    CORE + "EmptyDirVolumeSource": {"medium": {"type": "string", "pattern": whole("(Memory|HugePages(-.+)?)?")}},
    CORE + "HTTPGetAction": {"scheme": {"enum": ["HTTP", "HTTPS"]}},
    CORE + "HostPathVolumeSource": {
        "type": {
            "enum": [
                "",
                "BlockDevice",
                "CharDevice",
                "Directory",
                "DirectoryOrCreate",
                "File",
                "FileOrCreate",
                "Socket",
            ]
        }
    },
    CORE + "NodeSelectorRequirement": {"operator": {"enum": [*PRESENCE, "Gt", "Lt"]}},
    CORE + "PersistentVolumeClaimSpec": {
        "accessModes": {
            "type": "array",
            "items": {"enum": ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]},
        },
        "volumeMode": {"enum": ["Block", "Filesystem"]},
    },
    CORE + "PodSecurityContext": {"fsGroupChangePolicy": {"enum": ["Always", "OnRootMismatch"]}},
    CORE + "PodSpec": {
        "dnsPolicy": {"enum": ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
        "nodeSelector": LABELS,
        "preemptionPolicy": {"enum": ["Never", "PreemptLowerPriority"]},
        "restartPolicy": RESTART,
    },
    CORE + "SeccompProfile": {"type": PROFILES},
    CORE + "ServicePort": {"protocol": PROTOCOLS},
    CORE + "ServiceSpec": {
        "selector": LABELS,
        "sessionAffinity": {"enum": ["ClientIP", "None"]},
        "type": {"enum": ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]},
    },
    CORE + "Toleration": {
        "effect": {"enum": ["", "NoExecute", "NoSchedule", "PreferNoSchedule"]},
        "operator": {"enum": ["", "Equal", "Exists", "Gt", "Lt"]},
    },
    CORE + "TopologySpreadConstraint": {
        "nodeAffinityPolicy": HONOR,
        "nodeTaintsPolicy": HONOR,
        "whenUnsatisfiable": {"enum": ["DoNotSchedule", "ScheduleAnyway"]},
    },
    CORE + "Volume": {"name": DNS_LABEL},
    CORE + "VolumeMount": {
        "mountPropagation": {"enum": ["Bidirectional", "HostToContainer", "None"]},
        "recursiveReadOnly": {"enum": ["Disabled", "Enabled", "IfPossible"]},
    },
    META + "LabelSelector": {"matchLabels": LABELS},
    META + "LabelSelectorRequirement": {"operator": {"enum": [*PRESENCE]}},
    META + "ObjectMeta": {
        "annotations": {"$ref": "#/$defs/annotations"},
        "labels": LABELS,
        "name": DNS_SUBDOMAIN,
        "namespace": DNS_LABEL,
    },
}


def strict(schema: Schema) -> Schema:
    """Rewrite an upstream schema: no null, no unknown key, no prose."""
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + schema["$ref"].rpartition("/")[2]}
    made: Schema = {key: schema[key] for key in ("required", MERGE_KEY) if key in schema}
    made["type"] = not_null(schema["type"])
    made |= BOUNDS.get(schema.get("format", ""), {})
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if "additionalProperties" in schema:
        made["additionalProperties"] = strict(schema["additionalProperties"])
    elif made["type"] == "object":
        made["additionalProperties"] = False
        made["properties"] = {key: strict(value) for key, value in schema.get("properties", {}).items()}
    return made


def not_null(types: str | list[str]) -> str:
    """Return the one type that a field has when it is present."""
    if isinstance(types, str):
        return types
    (one,) = (name for name in types if name != "null")
    return one


def definition(name: str, upstream: Schema) -> Schema:
    """Make one definition: strict, without fields that ftc never writes, and narrowed by our tables."""
    made = strict(upstream)
    for field in NEVER_WRITTEN.get(name, ()):
        del made["properties"][field]
    for field, schema in CLOSER.get(name, {}).items():
        if field in made["properties"]:
            made["properties"][field] = schema
    return as_kind(made, *KINDS[name]) if name in KINDS else made


def as_kind(schema: Schema, api_version: str, kind: str) -> Schema:
    """Pin apiVersion and kind, and demand all four parts and one kind of name."""
    properties = schema["properties"] | {"apiVersion": {"const": api_version}, "kind": {"const": kind}}
    properties["metadata"] = {
        **properties["metadata"],
        "oneOf": [{"required": ["generateName"]}, {"required": ["name"]}],
    }
    return {**schema, "properties": properties, "required": sorted(properties)}


def references(node: object) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    match node:
        case {"$ref": str(reference)}:
            yield reference.removeprefix("#/$defs/")
        case dict():
            for value in node.values():
                yield from references(value)


def closure(upstream: Mapping[str, Schema]) -> dict[str, Schema]:
    """Collect the roots and every definition that they reach."""
    made = dict(OWN)
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in made:
            made[name] = definition(name, upstream[name])
            waiting.extend(references(made[name]))
    return made


def document(release: Traversable) -> str:
    """Render the schema file of one Kubernetes release."""
    upstream = json.loads(release.joinpath("_definitions.json").read_text("utf-8"))["$defs"]
    version = release.name.removesuffix("-local")
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Kubernetes {version} (Apache-2.0); made by schemas/make_kubernetes.py",
        "$defs": closure(upstream),
    }
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


def releases() -> dict[str, Traversable]:
    """Find the newest packaged release of each supported minor."""
    data = importlib.resources.files(PACKAGE.replace("-", "_")) / "kubernetes-json-schema"
    names = (re.fullmatch(r"v1\.(\d+)\.(\d+)-local", entry.name) for entry in data.iterdir())
    found = sorted((int(name[1]), int(name[2]), name[0]) for name in names if name)
    return {f"1.{minor}": data / name for minor, _, name in found if minor >= OLDEST_MINOR}


def documents() -> dict[str, str]:
    """Render every file, by its name."""
    installed = importlib.metadata.version(PACKAGE)
    if installed != PACKAGE_VERSION:
        sys.exit(f"needs {PACKAGE}=={PACKAGE_VERSION}, found {installed}")
    return {f"{minor}.schema.json": document(entry) for minor, entry in releases().items()}


def stale(wanted: Mapping[str, str]) -> list[str]:
    """Name the files on disk that are missing, different or too many."""
    present = {path.name: path.read_text("utf-8") for path in DIRECTORY.glob("*.json")}
    names = wanted.keys() | present.keys()
    return sorted(name for name in names if wanted.get(name) != present.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with --check compare them and return 1 on a difference."""
    parser = argparse.ArgumentParser(description="Make schemas/kubernetes/<minor>.schema.json.")
    parser.add_argument("--check", action="store_true", help="compare with the files on disk only")
    check = parser.parse_args(arguments).check
    wanted = documents()
    if check:
        differing = stale(wanted)
        sys.stderr.writelines(f"not current: kubernetes/{name}\n" for name in differing)
        return 1 if differing else 0
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (DIRECTORY / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
