"""The schemas of Kubernetes with what its server refuses: constraints on single values, and on whole objects.

Source: Kubernetes, pkg/apis/core/validation and pkg/apis/batch/validation.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ftc.constraints import FIELD, FIELD_OF_FILE, OLD_VARIABLE, PROFILE, PROPERTIES, RESOURCE, Json, text


def _when(field: str, values: list[Any], then: Json) -> Json:
    return {"if": {"properties": {field: {"enum": values}}, "required": [field]}, "then": then}


def _at_most_one(*fields: str) -> Json:
    pairs = [{"required": list(pair)} for pair in combinations(fields, 2)]
    return {"not": {"anyOf": pairs}, "description": f"set only one of {', '.join(fields)}"}


def _at_least_one(*fields: str) -> Json:
    choices = [{"required": [field]} for field in fields]
    return {"anyOf": choices, "description": f"set one of {', '.join(fields)}"}


def _without(field: str, why: str) -> Json:
    return {"not": {"required": [field]}, "description": f"{why}: remove {field}"}


def _values(least: int | None, most: int | None, why: str) -> Json:
    """The list `values` of a requirement, by its operator; 0 and None allow an empty one."""
    limits = {"minItems": least, "maxItems": most}
    return {
        "properties": {"values": {**{k: v for k, v in limits.items() if v is not None}, "description": why}},
        **({"required": ["values"]} if least else {}),
    }


_REQUIREMENT = (
    _when("operator", ["In", "NotIn"], _values(1, None, "In and NotIn need values")),
    _when("operator", ["Exists", "DoesNotExist"], _values(None, 0, "Exists and DoesNotExist take no values")),
)
# The server treats an empty list like a missing one.
_WITH_CONDITIONS: Json = {"properties": {"onPodConditions": {"minItems": 1}}}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_ONCE = {"properties": {"successThreshold": {"maximum": 1}}}
_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_HOOKS = ("exec", "httpGet", "sleep", "tcpSocket")
_CORE = "#/$defs/io.k8s.api.core.v1."


def _of_amount(names: str, amounts: list[Any]) -> Json:
    """The divisors of a resource: ValidateResourceFieldSelector; 0 is the default."""
    chosen = {"properties": {"resource": {"pattern": rf"\.{names}$"}}, "required": ["resource"]}
    written = [one for amount in (0, *amounts) for one in (amount, str(amount))]
    return {"if": chosen, "then": {"properties": {"divisor": {"enum": [*written, ""]}}}}


_POWERS = [1, *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))]
_SOURCES = ("clusterTrustBundle", "configMap", "downwardAPI", "secret", "serviceAccountToken")
_REFERENCES = ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef")


def _profile(relative: str) -> list[Json]:
    with_path = {
        "required": ["localhostProfile"],
        "properties": {"localhostProfile": {**PROFILE, "minLength": 1, "pattern": relative}},
    }
    others = ["RuntimeDefault", "Unconfined"]
    return [_when("type", ["Localhost"], with_path), _when("type", others, _without("localhostProfile", "no file"))]


_UID = ("batch.kubernetes.io/controller-uid", "controller-uid")

# These relate several fields, so they hold for a whole object only.
WHOLE: dict[str, list[Json]] = {
    "Toleration": [
        _when("operator", ["Exists"], {"properties": {"value": {"maxLength": 0}}}),
        {
            "if": {"properties": {"key": {"maxLength": 0}}},
            "then": {
                "required": ["operator"],
                "properties": {"operator": {"const": "Exists", "description": "without a key use Exists"}},
            },
        },
        {
            "if": {"required": ["tolerationSeconds"]},
            "then": {"required": ["effect"], "properties": {"effect": {"const": "NoExecute"}}},
        },
    ],
    "PersistentVolumeClaimSpec": [
        {"required": ["accessModes", "resources"]},
        {
            "if": {
                "properties": {"accessModes": {"contains": {"const": "ReadWriteOncePod"}}},
                "required": ["accessModes"],
            },
            "then": {"properties": {"accessModes": {"maxItems": 1}}},
        },
    ],
    "ConfigMapVolumeSource": [{"required": ["name"], "properties": {"name": {"minLength": 1}}}],
    "SecretVolumeSource": [{"required": ["secretName"], "properties": {"secretName": {"minLength": 1}}}],
    **{
        name: [{"required": ["name"], "properties": {"name": {"minLength": 1}}}]
        for name in ("SecretKeySelector", "ConfigMapKeySelector", "SecretEnvSource", "ConfigMapEnvSource")
    },
    "EphemeralVolumeSource": [{"required": ["volumeClaimTemplate"]}],
    "PersistentVolumeClaimTemplate": [
        {"properties": {"metadata": _without("name", "the claim gets its name from the pod")}}
    ],
    "FCVolumeSource": [_at_least_one("wwids", "targetWWNs")],
    "VolumeProjection": [_at_most_one(*_SOURCES)],
    "DownwardAPIVolumeFile": [
        _at_most_one("fieldRef", "resourceFieldRef"),
        _at_least_one("fieldRef", "resourceFieldRef"),
        {
            "properties": {
                "fieldRef": {"properties": {"fieldPath": FIELD_OF_FILE}},
                "resourceFieldRef": {"required": ["containerName"]},
            }
        },
    ],
    "EnvVarSource": [
        _at_most_one(*_REFERENCES),
        _at_least_one(*_REFERENCES),
        {"properties": {"fieldRef": {"properties": {"fieldPath": FIELD}}}},
    ],
    "EnvFromSource": [_at_most_one("configMapRef", "secretRef"), _at_least_one("configMapRef", "secretRef")],
    "ResourceFieldSelector": [
        _of_amount("cpu", [1, "1m"]),
        _of_amount("(memory|ephemeral-storage|hugepages-.+)", _POWERS),
    ],
    "VolumeMount": [
        {
            "if": {
                "required": ["subPathExpr"],
                "properties": {"subPathExpr": {"minLength": 1}},
            },
            "then": {
                "properties": {"subPath": {"maxLength": 0, "description": "set only one of subPath, subPathExpr"}}
            },
        },
        _when(
            "recursiveReadOnly",
            ["Enabled"],
            {"required": ["readOnly"], "properties": {"readOnly": {"const": True}}},
        ),
    ],
    "Probe": [_at_most_one(*_HANDLERS), _at_least_one(*_HANDLERS)],
    "LifecycleHandler": [_at_most_one(*_HOOKS), _at_least_one(*_HOOKS)],
    "Container": [{"properties": dict.fromkeys(("livenessProbe", "startupProbe"), _ONCE)}],
    "SeccompProfile": _profile(r"^(?!/)(?!(.*/)?\.\.(/|$))"),
    "AppArmorProfile": _profile(r"^\S(.*\S)?$"),
    "NodeSelector": [{"properties": {"nodeSelectorTerms": {"minItems": 1}}}],
    "NodeSelectorRequirement": [
        *_REQUIREMENT,
        _when("operator", ["Gt", "Lt"], _values(1, 1, "Gt and Lt take one integer")),
        _when(
            "operator",
            ["In", "NotIn"],
            {
                "properties": {
                    "values": {"items": text("([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", "a value of a label")}
                }
            },
        ),
    ],
    "NodeSelectorTerm": [
        {
            "properties": {
                "matchFields": {
                    "items": {
                        "properties": {
                            "key": {"const": "metadata.name"},
                            "values": {"maxItems": 1, "description": "a field is compared with one value"},
                        }
                    }
                }
            }
        }
    ],
    "TopologySpreadConstraint": [
        {
            "if": {"required": ["matchLabelKeys"], "properties": {"matchLabelKeys": {"minItems": 1}}},
            "then": {"required": ["labelSelector"]},
        }
    ],
    "PodResourceClaim": [
        _at_most_one("resourceClaimName", "resourceClaimTemplateName"),
        _at_least_one("resourceClaimName", "resourceClaimTemplateName"),
    ],
    "PodSpec": [
        {"properties": {"containers": {"minItems": 1}}},
        _when(
            "dnsPolicy",
            ["None"],
            {
                "required": ["dnsConfig"],
                "properties": {"dnsConfig": {"required": ["nameservers"]}},
                "description": "with dnsPolicy None, set dnsConfig.nameservers",
            },
        ),
        {
            "properties": {
                "initContainers": {
                    "items": {
                        "if": {"properties": {"restartPolicy": {"not": {"const": "Always"}}}},
                        "then": {
                            "allOf": [
                                _without(field, "an init container that ends has none")
                                for field in ("lifecycle", *_PROBES)
                            ]
                        },
                    }
                }
            }
        },
    ],
    # Exported jobs have the selector and the labels that the server made.
    "batch.v1.JobSpec": [
        {
            "if": {"required": ["selector"], "properties": {"manualSelector": {"not": {"const": True}}}},
            "then": {
                "properties": {
                    "selector": {
                        "properties": {"matchLabels": {"anyOf": [{"required": [key]} for key in _UID]}},
                        "description": "the server makes the selector: remove it",
                    }
                }
            },
            "else": {
                "properties": {
                    "template": {
                        "properties": {
                            "metadata": {
                                "properties": {
                                    "labels": {
                                        "not": {"anyOf": [{"required": [key]} for key in _UID]},
                                        "description": f"the server sets {' and '.join(_UID)}: remove them",
                                    }
                                }
                            }
                        }
                    }
                }
            },
        }
    ],
    "batch.v1.PodFailurePolicyRule": [
        {
            "not": {"required": ["onExitCodes", "onPodConditions"], **_WITH_CONDITIONS},
            "description": "set only one of onExitCodes, onPodConditions",
        },
        {
            "anyOf": [{"required": ["onExitCodes"]}, {"required": ["onPodConditions"], **_WITH_CONDITIONS}],
            "description": "set one of onExitCodes, onPodConditions",
        },
    ],
    "batch.v1.PodFailurePolicyOnExitCodesRequirement": [
        _when(
            "operator",
            ["In"],
            {"properties": {"values": {"items": {"not": {"const": 0}, "description": "0 is a success"}}}},
        )
    ],
    "batch.v1.SuccessPolicy": [{"properties": {"rules": {"minItems": 1}}}],
}
# Volcano's webhook validates pods with an older release of Kubernetes' own code.
OF_VOLCANO: dict[str, list[Json]] = {
    "EnvVar": [{"properties": {"name": OLD_VARIABLE}}],
    "EnvFromSource": [{"properties": {"prefix": {**OLD_VARIABLE, "pattern": OLD_VARIABLE["pattern"][:-2] + "|)$"}}}],
    "SleepAction": [{"properties": {"seconds": {"minimum": 1}}}],
    "PodSpec": [
        {
            "properties": {
                "containers": {"items": _without("restartPolicy", "only an init container has one")},
                "initContainers": {"items": {"properties": {"restartPolicy": {"const": "Always"}}}},
            }
        }
    ],
}


def narrowed(definitions: dict[str, Any]) -> dict[str, Any]:
    """Add the constraints on single values, which hold in a fragment of an object too."""
    changed = {name: dict(node) for name, node in definitions.items()}
    for name, node in changed.items():
        added = {key: value for key, value in PROPERTIES.get(_short(name), {}).items() if key in node["properties"]}
        if added:
            node["properties"] = {**node["properties"], **added}
    return changed


def constrained(definitions: dict[str, Any], *, volcano: bool = False) -> dict[str, Any]:
    """Add these constraints, as far as the version of Kubernetes has what they apply to."""
    changed = narrowed(definitions)
    for name, node in changed.items():
        parts = [*WHOLE.get(_short(name), []), *(OF_VOLCANO.get(_short(name), []) if volcano else [])]
        if parts:
            node["allOf"] = [*node.get("allOf", []), *parts]
    resources = changed["io.k8s.api.core.v1.ResourceRequirements"]
    claims = changed["io.k8s.api.core.v1.VolumeResourceRequirements"]
    for field in ("limits", "requests"):
        amounts = {"allOf": [resources["properties"][field]["additionalProperties"], _NOT_NEGATIVE]}
        named = {**resources["properties"][field], "propertyNames": RESOURCE, "additionalProperties": amounts}
        resources["properties"] = {**resources["properties"], field: named}
    size = {"allOf": [claims["properties"]["requests"]["additionalProperties"], _NOT_EMPTY]}
    storage = {
        **claims["properties"]["requests"],
        "additionalProperties": size,
        "required": ["storage"],
        "propertyNames": {"enum": ["storage"]},
    }
    claims["properties"] = {**claims["properties"], "requests": storage}
    claims["required"] = ["requests"]
    return changed


_NOT_NEGATIVE: Json = {
    "not": {"anyOf": [{"type": "string", "pattern": "^-.*[1-9]"}, {"type": "number", "exclusiveMaximum": 0}]},
    "description": "an amount is not negative",
}


_NOT_EMPTY: Json = {
    "not": {"anyOf": [{"type": "string", "pattern": r"^[0.]*0[0.]*[A-Za-z]*$"}, {"type": "number", "maximum": 0}]},
    "description": "a claim has a size",
}


def _short(name: str) -> str:
    return name.removeprefix("io.k8s.api.").removeprefix("core.v1.")
