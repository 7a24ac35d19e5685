"""One PodTemplate laid over another, by the keys that Kubernetes merges lists with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftc.spec.base import Json

# List field: the keys that tell its items apart (Kubernetes API, `x-kubernetes-list-map-keys`). Kubernetes replaces
# tolerations and capabilities whole; here they add up, as those of a device, a network and a user should.
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
# What the server takes an absent key of an item for (Kubernetes API: ContainerPort.protocol, Toleration.operator; an
# empty text is none).
_DEFAULTS = {"protocol": "TCP", "operator": "Equal", "value": "", "effect": "", "key": ""}
# The lists of `capabilities`.
_SETS = ("add", "drop")


def merge(base: Json, overlay: Json) -> Json:
    """`overlay` over `base`: mappings merge, keyed lists merge item by item, anything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = _merged(key, merged[key], value) if key in merged else value
    return merged


def _merged(key: str, old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict) and key != "valueFrom":  # which holds one of several
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
    """What tells an item of a list from the others, with the server's defaults."""
    return tuple(item.get(key) or _DEFAULTS.get(key) for key in keys)


def _without_source(old: Json, new: Json) -> Json:
    """A variable or a volume has one source: another kind of source takes the place of the old one."""
    if _SOURCES & new.keys() and not _SOURCES & new.keys() & old.keys():
        return {key: value for key, value in old.items() if key not in _SOURCES}
    return old


# A variable's and a volume's, as the API names them.
_SOURCES = frozenset(
    {"value", "valueFrom", "emptyDir", "persistentVolumeClaim", "hostPath", "nfs", "ephemeral", "configMap", "secret"}
    | {"downwardAPI", "projected", "csi", "cephfs", "iscsi", "fc", "rbd", "glusterfs", "flexVolume", "image", "local"}
)
