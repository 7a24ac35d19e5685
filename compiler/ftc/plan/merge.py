"""Merge PodTemplate fragments and record which set which field; list items are matched by Kubernetes' merge keys."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.diagnostics.model import KeyPath
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
# Fields of `capabilities`, and of a projected volume.
_SETS = ("add", "drop", "sources")


class Fragment(NamedTuple):
    """A named part of a pod template; `key` is its key in the spec, None if ftc wrote it."""

    name: str
    content: Json
    key: KeyPath | None = None


class Source(NamedTuple):
    """The fragment that set a field, and the key of the spec that has the value, None if ftc wrote the fragment."""

    fragment: str
    key: KeyPath | None = None

    def at(self, step: str | int) -> Source:
        """The source of a child."""
        return self if self.key is None else Source(self.fragment, (*self.key, step))


class Record(NamedTuple):
    """The fragment that set a field: `source` set all of it except what is in `later`. A removed field has one too."""

    source: Source
    later: Mapping[str | int, Record] = MappingProxyType({})

    def at(self, path: KeyPath) -> Record:
        """The record of a descendant."""
        found = self
        for step in path:
            found = found.later.get(step) or Record(found.source.at(step))
        return found


class Merged(NamedTuple):
    """Merged fragments, and the record of which fragment set which field."""

    content: Any
    record: Record

    def at(self, path: KeyPath) -> Merged:
        """A descendant; its content is None if the path does not exist or leads into a string."""
        value = self.content
        for step in path:
            is_there = (isinstance(value, dict) and step in value) or (
                isinstance(value, list) and isinstance(step, int) and step < len(value)
            )
            value = value[step] if is_there else None
        return Merged(value, self.record.at(path))

    def sources(self) -> tuple[Source, ...]:
        """The sources of all fields of the content, without duplicates."""
        if not self.record.later or not isinstance(self.content, dict | list) or not self.content:
            return (self.record.source,)
        steps = self.content if isinstance(self.content, dict) else range(len(self.content))
        return tuple(dict.fromkeys(source for step in steps for source in self.at((step,)).sources()))

    def replaced(self, step: str | int, value: Any, record: Record | None = None) -> Merged:
        """A copy with another value of a key."""
        later = {**self.record.later, step: record or self.record.at((step,))}
        return Merged({**self.content, step: value}, Record(self.record.source, later))

    def without(self, step: str, decided: Record) -> Merged:
        """A copy without a key; `decided` records the field that removed it."""
        content = {key: value for key, value in self.content.items() if key != step}
        return Merged(content, Record(self.record.source, {**self.record.later, step: decided}))


def merge(base: Json, overlay: Json) -> Json:
    """Merge `overlay` into `base`: mappings and keyed lists merge recursively, anything else is replaced."""
    merged: Json = laid_over(whole(Fragment("", base)), whole(Fragment("", overlay))).content
    return merged


def whole(fragment: Fragment) -> Merged:
    """A fragment before any merge."""
    return Merged(fragment.content, Record(Source(fragment.name, fragment.key)))


def laid_over(base: Merged, overlay: Merged) -> Merged:
    """`merge`, with a record."""
    content, later = dict(base.content), dict(base.record.later)
    for key in overlay.content:
        new = overlay.at((key,))
        content[key], later[key] = _merged(key, base.at((key,)), new) if key in content else new
    return Merged(content, Record(base.record.source, later))


def _merged(key: str, old: Merged, new: Merged) -> Merged:
    if isinstance(old.content, dict) and isinstance(new.content, dict) and key != "valueFrom":  # a union
        return laid_over(old, new)
    if isinstance(old.content, list) and isinstance(new.content, list) and key in MERGE_KEYS:
        return _merge_items(MERGE_KEYS[key], old, new)
    if isinstance(old.content, list) and isinstance(new.content, list) and key in _SETS:
        return _added(old, [new.at((i,)) for i, item in enumerate(new.content) if item not in old.content])
    return new


def _added(old: Merged, items: list[Merged]) -> Merged:
    later = dict(old.record.later)
    later.update((len(old.content) + i, item.record) for i, item in enumerate(items))
    return Merged([*old.content, *(item.content for item in items)], Record(old.record.source, later))


def _merge_items(keys: tuple[str, ...], old: Merged, new: Merged) -> Merged:
    items, later = list(old.content), dict(old.record.later)
    places: dict[str, int] = {}  # by `repr`: the plan is made before anything says that a name is a text
    for index, item in enumerate(old.content):
        places.setdefault(repr(identity(item, keys)), index)
    for index, item in enumerate(new.content):
        one = new.at((index,))
        place = places.setdefault(repr(identity(item, keys)), len(items))
        if place == len(items):
            later[place] = one.record
            items.append(item)
        else:
            under = Merged(items[place], later.get(place) or old.record.at((place,)))
            items[place], later[place] = laid_over(_without_source(under, one), one)
    return Merged(items, Record(old.record.source, later))


def identity(item: Json, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """The identity of a list item, with the server's defaults filled in."""
    return tuple(item.get(key) or _DEFAULTS.get(key) for key in keys)


def _without_source(old: Merged, new: Merged) -> Merged:
    """`old` without its source if `new` has another kind of source: a variable or a volume has exactly one."""
    given = [key for key in new.content if key in _SOURCES]
    if given and not old.content.keys() & {*given}:
        for key in [key for key in old.content if key in _SOURCES]:
            old = old.without(key, new.record.at((given[0],)))
    return old


# The sources of EnvVar and Volume in the Kubernetes API.
_SOURCES = frozenset(
    {"value", "valueFrom", "emptyDir", "persistentVolumeClaim", "hostPath", "nfs", "ephemeral", "configMap", "secret"}
    | {"downwardAPI", "projected", "csi", "cephfs", "iscsi", "fc", "rbd", "glusterfs", "flexVolume", "image", "local"}
)
