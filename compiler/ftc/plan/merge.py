"""Merge two PodTemplate fragments; list items are matched by Kubernetes' merge keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftc.spec.base import Json

# List field: the keys that identify its items (Kubernetes API, `x-kubernetes-list-map-keys`). Kubernetes replaces
# tolerations and capabilities as a whole; here they add up, because device, network and user each need theirs.
MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "evictionResponders": ("name",),
    "tolerations": ("key", "operator", "value", "effect"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "items": ("path",),
}
# The server's defaults for these keys (Kubernetes API: ContainerPort.protocol, Toleration.operator); an empty string
# counts as absent.
_DEFAULTS = {"protocol": "TCP", "operator": "Equal", "value": "", "effect": "", "key": ""}
# The fields of `capabilities`.
_SETS = ("add", "drop")


def merge(base: Json, overlay: Json) -> Json:
    """Merge `overlay` into `base`: mappings and keyed lists merge recursively, anything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = _merged(key, merged[key], value) if key in merged else value
    return merged


def _merged(key: str, old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict) and key != "valueFrom":  # a union
        return merge(old, new)
    if isinstance(old, list) and isinstance(new, list) and key in MERGE_KEYS:
        return _merge_items(MERGE_KEYS[key], old, new)
    if isinstance(old, list) and isinstance(new, list) and key in _SETS:
        return [*old, *(item for item in new if item not in old)]
    return new


def _merge_items(keys: tuple[str, ...], old: list[Json], new: list[Json]) -> list[Json]:
    items = list(old)
    places: dict[str, int] = {}  # by `repr`: the plan is made before anything says that a name is a text
    for index, item in enumerate(old):
        places.setdefault(repr(identity(item, keys)), index)
    for item in new:
        place = places.setdefault(repr(identity(item, keys)), len(items))
        if place == len(items):
            items.append(item)
        else:
            items[place] = merge(_without_source(items[place], item), item)
    return items


def identity(item: Json, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The identity of a list item, with the server's defaults filled in."""
    return tuple(item.get(key) or _DEFAULTS.get(key) for key in keys)


def _without_source(old: Json, new: Json) -> Json:
    """`old` without its source if `new` has another kind of source: a variable or a volume has exactly one."""
    if _SOURCES & new.keys() and not _SOURCES & new.keys() & old.keys():
        return {key: value for key, value in old.items() if key not in _SOURCES}
    return old


# The sources of EnvVar and Volume in the Kubernetes API.
_SOURCES = frozenset(
    {"value", "valueFrom", "emptyDir", "persistentVolumeClaim", "hostPath", "nfs", "ephemeral", "configMap", "secret"}
    | {"downwardAPI", "projected", "csi", "cephfs", "iscsi", "fc", "rbd", "glusterfs", "flexVolume", "image", "local"}
)
