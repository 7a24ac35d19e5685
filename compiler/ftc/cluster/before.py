"""A workload that is to be created, and what the cluster has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.cluster.pods import Pods
from ftc.cluster.snapshot import Object, Snapshot, at, group_of, labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.cause import Cause
    from ftc.diagnostics.model import KeyPath

_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_UID = "not-created-yet"


class Problem(NamedTuple):
    """Why a workload would not run: `place` is the field of the manifest, `key` the key of the spec if it is known."""

    cause: Cause
    place: KeyPath = ()
    key: KeyPath = ()


class Before(msgspec.Struct, frozen=True):
    """A workload and its pods, and what was read of the cluster: `seen` has the workload too.

    `listed` are the kinds that were listed, `unknown` those that the cluster does not serve, `absent` the kinds and
    names of objects that do not exist.
    """

    job: Object
    pods: tuple[Pods, ...]
    seen: Snapshot
    listed: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    absent: frozenset[tuple[str, str]] = frozenset()

    def with_pod(self, pods: Pods) -> tuple[Object, Snapshot]:
        """A pod as it would be created, and the snapshot with it."""
        name, namespace = self.seen.name, self.seen.namespace
        owner = [{"kind": str(self.job.get("kind")), "name": name, "uid": _UID}]
        metadata = {**(at(pods.template, "metadata") or {}), "name": name, "namespace": namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "ownerReferences": owner}, "spec": pods.spec}
        return pod, msgspec.structs.replace(self.seen, objects=(*self.seen.objects, pod))


def as_if_created(job: Object, namespace: str) -> Object:
    """The workload with the name and the uid that its pods would refer to."""
    metadata = job.get("metadata") or {}
    name = str(metadata.get("name") or metadata.get("generateName") or "").rstrip("-")
    return {**job, "metadata": {**metadata, "name": name, "namespace": namespace, "uid": _UID}}


def kueue_queue(job: Object) -> str:
    """The LocalQueue that a workload names."""
    return labels(job).get(_QUEUE_LABEL, "")


def by_volcano(job: Object, pods: tuple[Pods, ...]) -> bool:
    """Whether Volcano starts the workload."""
    return group_of(job) == "batch.volcano.sh" or any(one.spec.get("schedulerName") == "volcano" for one in pods)


class Named(NamedTuple):
    """An object that admission looks for: its kind, its name, and the place of the name."""

    kind: str
    name: str
    place: KeyPath


def named(job: Object, pods: tuple[Pods, ...]) -> Iterator[Named]:
    """The ServiceAccount, the PriorityClass and the RuntimeClass that a workload names."""
    priority = at(job, "spec", "priorityClassName")
    if priority:
        yield Named("PriorityClass", str(priority), ("spec", "priorityClassName"))
    for one in pods:
        for kind, field in _FIELDS:
            if one.spec.get(field):
                yield Named(kind, str(one.spec[field]), (*one.place, "spec", field))


_FIELDS = (
    ("ServiceAccount", "serviceAccountName"),
    ("PriorityClass", "priorityClassName"),
    ("RuntimeClass", "runtimeClassName"),
)
