"""Ask a cluster, before a workload is created, whether it can run there; nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster import limits, named, room
from ftc.cluster.before import Before, Problem, as_if_created, by_volcano, kueue_queue, pods_of, references
from ftc.cluster.before import named as names_of
from ftc.cluster.server import ServerError
from ftc.cluster.snapshot import Snapshot, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object

_FORBIDDEN, _MISSING = 403, 404
_CORE = "/api/v1"
# The newer version first; a cluster may serve only one of them.
_KUEUE = ("/apis/kueue.x-k8s.io/v1beta2", "/apis/kueue.x-k8s.io/v1beta1")
_CLASSES = {
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
}
# In the order in which a workload meets them.
CHECKS: tuple[Callable[[Before], Iterator[Problem]], ...] = (
    named.namespace,
    limits.pod_security,
    named.in_cluster,
    limits.ranges,
    limits.quota,
    named.in_queue,
    named.in_namespace,
    room.room,
)


class Preflight(NamedTuple):
    """The problems of a workload, sentences about what is not checked or has to wait, and what was read."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    before: Before


def preflight(server: Server, job: Object, companions: Sequence[Object] = ()) -> Preflight:
    """Ask everything that decides whether the pods of a workload can run; companions will be created before it."""
    reading = _Reading(server, companions)
    before = reading.before(job)
    problems = tuple(one for check in CHECKS for one in check(before))
    waits = () if problems else tuple(room.waits(before))
    return Preflight(problems, tuple(dict.fromkeys((*reading.unseen, *waits))), before)


class _Reading:
    """The objects that the checks need, each asked for once."""

    def __init__(self, server: Server, companions: Sequence[Object]) -> None:
        self.server, self.here = server, f"{_CORE}/namespaces/{server.namespace}"
        self.objects = list(companions)
        self.coming = {(str(one.get("kind")), name_of(one)) for one in companions}
        self.listed: set[str] = set()
        self.unknown: set[str] = set()
        self.absent: set[tuple[str, str]] = set()
        self.unseen: list[str] = []

    def before(self, job: Object) -> Before:
        """Read what the workload refers to, and what limits it."""
        pods = pods_of(job)
        self._get("Namespace", self.here, "its Pod Security level is")
        for kind, name in dict.fromkeys((r.kind, r.name) for one in pods for r in references(one.spec, ())):
            self._reference(kind, name)
        for kind in dict.fromkeys(one.kind for one in names_of(job, pods)):
            self._list(kind, _CLASSES.get(kind, f"{self.here}/serviceaccounts"), f"the {kind} is")
        if kueue_queue(job):
            for version in _KUEUE:
                self._list(
                    "LocalQueue", f"{version}/namespaces/{self.server.namespace}/localqueues", "the LocalQueue is"
                )
                self._list("ClusterQueue", f"{version}/clusterqueues", "the ClusterQueue is")
        elif by_volcano(job, pods):
            self._list("Queue", "/apis/scheduling.volcano.sh/v1beta1/queues", "the Volcano queue is")
        self._list("ResourceQuota", f"{self.here}/resourcequotas", "quotas are")
        self._list("LimitRange", f"{self.here}/limitranges", "limits are")
        self._list("Node", f"{_CORE}/nodes", "the room for the pods is")
        if "Node" in self.listed:
            running = "status.phase!=Succeeded,status.phase!=Failed"
            self._list("Pod", f"{_CORE}/pods", "what other pods use is", fieldSelector=running)
        objects = (*self.objects, as_if_created(job, self.server.namespace))
        seen = Snapshot(self.server.namespace, name_of(objects[-1]), datetime.now(UTC), objects)
        return Before(job, pods, seen, frozenset(self.listed), frozenset(self.unknown), frozenset(self.absent))

    def _reference(self, kind: str, name: str) -> None:
        """Whether an object exists; of a Secret only the metadata is read."""
        if kind == "PersistentVolumeClaim":
            self._list(kind, f"{self.here}/persistentvolumeclaims", "claims are")
        else:
            self._get(kind, f"{self.here}/{kind.lower()}s/{name}", "it is")

    def _list(self, kind: str, path: str, lost: str, **query: str) -> None:
        """List a kind once; without the permission, a sentence says what is not checked."""
        if kind in self.listed:
            return
        try:
            self.objects += self.server.pages(path, **query)
            self.listed.add(kind)
            self.unknown.discard(kind)
        except ServerError as error:
            if error.status == _MISSING:
                self.unknown.add(kind)
            elif error.status != _FORBIDDEN:
                raise
            else:
                self.unseen.append(f"you may not list {path.rpartition('/')[2]}: {lost} not checked")

    def _get(self, kind: str, path: str, lost: str) -> None:
        """Whether an object exists, by its metadata."""
        name = path.rpartition("/")[2]
        try:
            found = self.server.metadata(path)
            self.objects += [{**found, "kind": kind, "apiVersion": "v1"}] if kind == "Namespace" else []
        except ServerError as error:
            if error.status not in (_FORBIDDEN, _MISSING):
                raise
            if error.status == _MISSING and f'"{name}" not found' in str(error):
                self.absent |= {(kind, name)} - self.coming
            else:
                self.unseen.append(f'you may not get the {kind} "{name}": {lost} not checked')
