"""Read from an API server what a diagnosis needs: at most twelve requests for a job of 64 pods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftc.cluster.diagnose import diagnose
from ftc.cluster.ranks import telling
from ftc.cluster.server import FORBIDDEN, MISSING, ServerError
from ftc.cluster.snapshot import Snapshot, at, containers, group_of, labels, name_of, workload_name
from ftc.plan.kubernetes import KUEUE_QUEUE

if TYPE_CHECKING:
    from ftc.cluster.server import Server
    from ftc.cluster.snapshot import Object

_LOG_LINES = 100


class _List(NamedTuple):
    """A kind to list: its path, and what is not seen without the permission."""

    path: str
    plural: str
    lost: str
    namespaced: bool = True


_ALWAYS = (
    _List("/apis/batch.volcano.sh/v1alpha1", "jobs", "VolcanoJobs"),
    _List("/apis/batch/v1", "jobs", "Jobs"),
    _List("/api/v1", "pods", "pods, and why they do not start"),
    _List("/api/v1", "events", "what the controllers report"),
    _List("/api/v1", "persistentvolumeclaims", "claims"),
    _List("/api/v1", "nodes", "the nodes, and what they offer", namespaced=False),
)
_VOLCANO = (
    _List("/apis/scheduling.volcano.sh/v1beta1", "podgroups", "PodGroups"),
    _List("/apis/scheduling.volcano.sh/v1beta1", "queues", "Volcano queues", namespaced=False),
)
_KUEUE = (
    _List("/apis/kueue.x-k8s.io/v1beta1", "workloads", "Kueue's Workloads"),
    _List("/apis/kueue.x-k8s.io/v1beta1", "localqueues", "LocalQueues"),
    _List("/apis/kueue.x-k8s.io/v1beta1", "clusterqueues", "ClusterQueues", namespaced=False),
)
_OTHER = (
    _List("/apis/jobset.x-k8s.io/v1alpha2", "jobsets", "JobSets"),
    _List("/apis/trainer.kubeflow.org/v1alpha1", "trainjobs", "TrainJobs"),
)
# The alternatives to an object that a cause names as missing.
_ALTERNATIVES = {
    "claim-without-storage-class": _List(
        "/apis/storage.k8s.io/v1", "storageclasses", "storage classes", namespaced=False
    ),
    "storage-class-missing": _List("/apis/storage.k8s.io/v1", "storageclasses", "storage classes", namespaced=False),
    "service-account-missing": _List("/api/v1", "serviceaccounts", "ServiceAccounts"),
    "config-map-missing": _List("/api/v1", "configmaps", "ConfigMaps"),
    "rank-0-has-no-address": _List("/api/v1", "services", "Services"),
    "limit-range": _List("/api/v1", "limitranges", "LimitRanges"),
    "volume-elsewhere": _List("/api/v1", "persistentvolumes", "volumes", namespaced=False),
}


def gather(server: Server, name: str) -> Snapshot:
    """The objects around a workload, and the logs of the containers that failed.

    What may not be listed becomes a sentence in `unseen`. Raises ServerError if the server does not answer.
    """
    reading = _Reading(server)
    for one in _ALWAYS:
        reading.list(one)
    name = workload_name(name, reading.objects)
    snapshot = reading.snapshot(name)
    if snapshot.workload is None:
        for one in _OTHER:
            reading.list(one)
    snapshot = reading.snapshot(name)
    for one in _of_queues(snapshot):
        reading.list(one)
    snapshot = reading.snapshot(name)
    wanted = [_ALTERNATIVES[one.kind] for one in diagnose(snapshot).causes if one.kind in _ALTERNATIVES]
    for one in dict.fromkeys(wanted):
        reading.list(one)
    return reading.with_logs(reading.snapshot(name))


def _of_queues(snapshot: Snapshot) -> tuple[_List, ...]:
    """The objects of the queue system that starts the workload."""
    job = snapshot.workload
    if job is None:
        return ()
    if KUEUE_QUEUE in labels(job):
        return _KUEUE
    by_volcano = any(at(pod, "spec", "schedulerName") == "volcano" for pod in snapshot.pods)
    return _VOLCANO if by_volcano or group_of(job) == "batch.volcano.sh" else ()


class _Reading:
    """The objects that were read so far."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.objects: list[Object] = []
        self.unseen: list[str] = []

    def list(self, one: _List) -> None:
        place = f"/namespaces/{self.server.namespace}" if one.namespaced else ""
        try:
            self.objects += self.server.pages(f"{one.path}{place}/{one.plural}")
        except ServerError as error:
            # The cluster does not know this kind.
            if error.status == FORBIDDEN:
                self.unseen.append(f"you may not list {one.plural}: {one.lost} are not shown")
            elif error.status != MISSING:
                raise

    def snapshot(self, name: str) -> Snapshot:
        found = tuple(self.objects)
        return Snapshot(self.server.namespace, name, datetime.now(UTC), found, unseen=tuple(self.unseen))

    def with_logs(self, snapshot: Snapshot) -> Snapshot:
        """With the logs of the first container that failed, or of the training of the first pod."""
        logs: dict[str, str] = {}
        previous: dict[str, str] = {}
        for pod, name, again in _worth_reading(snapshot):
            path = f"/api/v1/namespaces/{snapshot.namespace}/pods/{name_of(pod)}/log"
            query = {"previous": "true"} if again else {}
            try:
                text = self.server.text(path, container=name, tailLines=_LOG_LINES, **query)
                (previous if again else logs)[f"{name_of(pod)}.{name}"] = text
            except ServerError as error:
                if error.status == FORBIDDEN:
                    self.unseen.append("you may not read logs: what the containers printed is not shown")
                elif not error.status:
                    raise
        return msgspec.structs.replace(snapshot, logs=logs, previous=previous, unseen=tuple(self.unseen))


def _worth_reading(snapshot: Snapshot) -> list[tuple[Object, str, bool]]:
    """Pod, container, and whether its last run is meant: the first two that failed, else the one that runs."""
    failed: list[tuple[str, Object, str, bool]] = []
    for pod in snapshot.pods:
        for name, status in containers(pod):
            now, last = at(status, "state", "terminated"), at(status, "lastState", "terminated")
            ended = now or last
            if isinstance(ended, dict) and ended.get("exitCode"):
                failed.append((str(ended.get("finishedAt") or ""), pod, name, not now))
    failed.sort(key=lambda one: (one[0], name_of(one[1])))
    well = telling(snapshot)
    runs = [(well[0], well[1].name, False)] if well and well[1].has_started else []
    return [(pod, name, again) for _, pod, name, again in failed[:2]] or runs
