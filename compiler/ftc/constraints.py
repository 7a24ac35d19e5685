"""What Kubernetes' server refuses beyond the types of its OpenAPI documents, as data for compile and lint.

Source: Kubernetes, pkg/apis/core/validation and pkg/apis/batch/validation; apimachinery, pkg/util/validation.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
# A text may have a placeholder of a shell or a template that is filled in before the manifest is sent.
_LATER = r"|.*[${].*"


def text(pattern: str, description: str, **more: int) -> Json:
    """The schema of a text with a pattern, which a placeholder may replace."""
    return {"type": "string", "pattern": rf"^({pattern}{_LATER})$", "description": description, **more}


def _number(least: int, most: int = 2147483647) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most}


NAME = text(
    rf"{_SUBDOMAIN}|",
    "a name has lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    maxLength=253,
)
LABEL = text(
    f"{_LABEL}|",
    "this name has lower-case letters, digits and '-', with a letter or digit at both ends",
    maxLength=63,
)
_NEEDED = {**NAME, "minLength": 1}
_TEXT: Json = {"type": "string", "minLength": 1, "description": "it must not be empty"}
_QUALIFIED_NAME = text(_QUALIFIED, "a key is like `team` or `example.com/team`")
_DIRECTORY = {"type": "string", "pattern": r"^([/$]|[A-Za-z]:|$)", "description": "begin it with '/'"}
# validatePathNoBacksteps
_ONWARD = {
    "type": "string",
    "pattern": r"^(?!(.*/)?\.\.(/|$))",
    "description": "'..' is refused: name the directory itself",
}
# validateLocalDescendingPath, validateLocalNonReservedPath
_INSIDE = {"type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))", "description": "a relative path without '..'"}
_FILE = {**_INSIDE, "pattern": r"^(?!/)(?!\.\.)(?!(.*/)?\.\.(/|$)).+$"}
# 0777
_MODE = _number(0, 511)
_COUNT = _number(0)
_COUNTS = (
    *("activeDeadlineSeconds", "backoffLimit", "backoffLimitPerIndex", "completions", "maxFailedIndexes"),
    *("parallelism", "ttlSecondsAfterFinished"),
)
_PORT = _number(1, 65535)
# IsValidPortName
_PORT_OR_NAME: Json = {
    "anyOf": [
        _PORT,
        text("(?!.*--)(?=.*[a-z])(?=.{1,15}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?", "a name"),
    ],
    "description": "a port is 1 to 65535, or a name of at most 15 lower-case letters, digits and '-'",
}
FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
_KEYED = rf"metadata\.(labels|annotations)\['({_QUALIFIED}{_LATER})'\]"
FIELD = {
    "type": "string",
    "pattern": rf"^({'|'.join(FIELDS)}|{_KEYED})$".replace(".n", r"\.n"),
    "description": "a field is metadata.name, status.podIP and the like",
}
FIELD_OF_FILE = {
    "type": "string",
    "pattern": rf"^(metadata\.(name|namespace|uid|labels|annotations)|{_KEYED})$",
    "description": "a file can have metadata.name, metadata.labels and the like, but not a field of spec or status",
}
RESOURCES = ("cpu", "memory", "ephemeral-storage")
# IsExtendedResourceName: with `requests.` prepended, which it may not begin with, it is a qualified name.
_EXTENDED = rf"(?!requests\.)(?=[^/]{{1,244}}/){_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
RESOURCE = {"pattern": rf"^({'|'.join(RESOURCES)}|hugepages-.+|{_EXTENDED}{_LATER})$"}
_RESOURCE_FIELD = text(
    r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)",
    "a resource is limits.cpu, requests.memory or the like; a device is not one",
)
# IsConfigMapKey
KEY = text(
    r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]+",
    "a key has letters, digits, '-', '_' and '.', and does not begin with '..'",
    maxLength=253,
)
_ID = _number(0)
# relaxedEnvVarName, and the older IsEnvVarName, which Volcano's webhook applies
VARIABLE: Json = {
    "type": "string",
    "pattern": r"^[\x20-\x3c\x3e-\x7e]*$",
    "description": "a variable's name has printable ASCII characters without '='",
}
OLD_VARIABLE = text(
    "[-._a-zA-Z][-._a-zA-Z0-9]*",
    "a name has letters, digits, '_', '-' and '.', and does not begin with a digit",
)
PROFILE = {"type": "string", "description": "a path below the kubelet's directory of profiles, without '..'"}
_SYSCTL = text(
    r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?",
    "a sysctl is like net.core.somaxconn",
)
_WEIGHT = _number(1, 100)
_POSITIVE_LIST: Json = {"type": "array", "minItems": 1}
_ADDRESS = text(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", "an address is like 10.0.0.1 or fd00::1")

# These hold for a single value, so also in a fragment of an object.
PROPERTIES: dict[str, Json] = {
    "PersistentVolumeClaimVolumeSource": {"claimName": _NEEDED},
    "ConfigMapVolumeSource": {"name": NAME, "defaultMode": _MODE},
    "SecretVolumeSource": {"secretName": NAME, "defaultMode": _MODE},
    "ProjectedVolumeSource": {"defaultMode": _MODE},
    "DownwardAPIVolumeSource": {"defaultMode": _MODE},
    "ServiceAccountTokenProjection": {"path": _FILE, "expirationSeconds": _number(600, 1 << 32)},
    "CSIVolumeSource": {"driver": _TEXT},
    "CephFSVolumeSource": {"monitors": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "ISCSIVolumeSource": {"iqn": text(r"(iqn|eui|naa)\..+", "an IQN begins with 'iqn.', 'eui.' or 'naa.'")},
    "ImageVolumeSource": {"pullPolicy": {"enum": ["Always", "IfNotPresent", "Never", ""]}},
    "NFSVolumeSource": {"path": _DIRECTORY},
    "KeyToPath": {"mode": _MODE, "key": KEY, "path": _FILE},
    "DownwardAPIVolumeFile": {"mode": _MODE, "path": _FILE},
    "ObjectFieldSelector": {"apiVersion": {"enum": ["v1", ""]}},
    "ResourceFieldSelector": {"resource": _RESOURCE_FIELD},
    "SecretKeySelector": {"key": KEY, "name": NAME},
    "ConfigMapKeySelector": {"key": KEY, "name": NAME},
    "SecretEnvSource": {"name": NAME},
    "ConfigMapEnvSource": {"name": NAME},
    "EnvVar": {"name": VARIABLE},
    "HostPathVolumeSource": {"path": {**_ONWARD, "minLength": 1}},
    "VolumeMount": {
        "mountPath": _TEXT,
        **dict.fromkeys(("subPath", "subPathExpr"), _INSIDE),
    },
    "VolumeDevice": {"devicePath": _TEXT},
    "TopologySpreadConstraint": {key: _number(1) for key in ("maxSkew", "minDomains")},
    "ServicePort": {"port": _PORT},
    "ContainerPort": {"hostPort": _number(0, 65535)},
    "TCPSocketAction": {"port": _PORT_OR_NAME},
    "HTTPGetAction": {"port": _PORT_OR_NAME},
    "HTTPHeader": {"name": text("[-A-Za-z0-9]+", "a header has letters, digits and '-'")},
    "GRPCAction": {"port": _PORT},
    "SleepAction": {"seconds": _number(0, 1 << 40)},
    "Probe": {
        **dict.fromkeys(("failureThreshold", "periodSeconds", "successThreshold", "timeoutSeconds"), _COUNT),
        "initialDelaySeconds": _COUNT,
        "terminationGracePeriodSeconds": _number(1, 1 << 40),
    },
    "Container": {"workingDir": _DIRECTORY},
    "ContainerResizePolicy": {
        "resourceName": {"enum": ["cpu", "memory"]},
        "restartPolicy": {"enum": ["NotRequired", "RestartContainer"]},
    },
    "SecurityContext": {
        **dict.fromkeys(("runAsUser", "runAsGroup"), _ID),
        "procMount": {"enum": ["Default", "Unmasked"]},
    },
    "PodSecurityContext": {
        **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), _ID),
        "supplementalGroups": {"type": "array", "items": _ID},
    },
    "Sysctl": {"name": _SYSCTL},
    "PodSpec": {
        **dict.fromkeys(("serviceAccountName", "priorityClassName", "runtimeClassName", "nodeName"), NAME),
        **dict.fromkeys(("subdomain", "hostname"), LABEL),
        "activeDeadlineSeconds": _number(1),
    },
    "PodDNSConfigOption": {"name": _TEXT},
    "PodReadinessGate": {"conditionType": _QUALIFIED_NAME},
    "PodSchedulingGate": {"name": _QUALIFIED_NAME},
    "PodResourceClaim": {"name": {**LABEL, "minLength": 1}},
    "HostAlias": {
        "ip": _ADDRESS,
        "hostnames": {"type": "array", "items": _NEEDED},
    },
    "NodeSelectorRequirement": {"key": _QUALIFIED_NAME},
    "PreferredSchedulingTerm": {"weight": _WEIGHT},
    "WeightedPodAffinityTerm": {"weight": _WEIGHT},
    "PodAffinityTerm": {"topologyKey": _QUALIFIED_NAME},
    "batch.v1.JobSpec": {
        **dict.fromkeys(_COUNTS, _COUNT),
        "managedBy": text(rf"{_SUBDOMAIN}/.+", "a controller is like example.com/name"),
    },
}
