"""The objects and logs of one namespace at one time: all that a diagnosis sees."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ftc.accelerators import shares
from ftc.manifests.manifest import amount
from ftc.plan.kubernetes import GROUP_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object: TypeAlias = dict[str, Any]

NOTHING = Decimal(0)
# Seconds: a controller or scheduler that runs reacts in one or two.
_PATIENCE = 60
# The labels by which the pods of a workload are found, with the controller that writes them.
_POD_LABELS = (
    "volcano.sh/job-name",
    "batch.kubernetes.io/job-name",
    "job-name",
    "jobset.sigs.k8s.io/jobset-name",
)
_WORKLOADS = {"batch.volcano.sh": ("Job",), "batch": ("Job",), "jobset.x-k8s.io": ("JobSet",)} | {
    "trainer.kubeflow.org": ("TrainJob",)
}


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """The objects that `kubectl get` returns for a namespace, and the logs of its pods.

    `logs` and `previous` have the key `POD.CONTAINER`. `refusal` is the answer of the API server to the creation, if it
    refused the workload. `unseen` says in sentences what the user may not list.
    """

    namespace: str
    name: str
    now: datetime
    objects: tuple[Object, ...]
    logs: dict[str, str] = {}
    previous: dict[str, str] = {}
    refusal: str = ""
    unseen: tuple[str, ...] = ()

    def of(self, kind: str, group: str = "") -> list[Object]:
        """The objects of a kind; `group` tells a VolcanoJob from a batch Job."""
        return [one for one in self._by_kind.get(kind, ()) if not group or group_of(one) == group]

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for one in self.objects:
            found.setdefault(str(one.get("kind")), []).append(one)
        return found

    def named(self, kind: str, name: str | None) -> Object | None:
        """The object of this kind and name."""
        return next((one for one in self.of(kind) if name_of(one) == name), None)

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind, sorted."""
        return sorted(name_of(one) for one in self.of(kind))

    @cached_property
    def workload(self) -> Object | None:
        """The VolcanoJob, Job, JobSet or TrainJob of this name; the owner if one job runs for another."""
        found = [
            one
            for group, kinds in _WORKLOADS.items()
            for kind in kinds
            for one in self.of(kind, group)
            if name_of(one) == self.name
        ]
        return min(found, key=lambda one: bool(rows(one, "metadata", "ownerReferences")), default=None)

    @cached_property
    def pods(self) -> list[Object]:
        """The pods of the workload, in the order of their names."""
        if self.workload is None:
            return []
        uids, names = {uid_of(self.workload)}, {self.name}
        for job in self.of("Job"):
            if uids & set(owners(job)):
                uids.add(uid_of(job))
        found = [
            pod
            for pod in self.of("Pod")
            if uids & set(owners(pod)) or any(labels(pod).get(label) in names for label in _POD_LABELS)
        ]
        return sorted(found, key=name_of)

    @cached_property
    def pod_group(self) -> Object | None:
        """Volcano's PodGroup of the workload, or of its pods."""
        names = {str(at(pod, "metadata", "annotations", GROUP_NAME)) for pod in self.pods}
        mine = {uid_of(self.workload)} if self.workload else set()
        return next((g for g in self.of("PodGroup") if mine & set(owners(g)) or name_of(g) in names), None)

    def events(self, *objects: Object | None) -> list[Object]:
        """The events of some objects, the newest first."""
        wanted = {(str(one.get("kind")), name_of(one)) for one in objects if one}
        found = [one for one in self.of("Event") if _about(one) in wanted]
        return sorted(found, key=seen_at, reverse=True)

    def messages(self, reason: str, *objects: Object | None) -> list[str]:
        """The texts of the events of one reason, the newest first."""
        return [str(one.get("message") or "") for one in self.events(*objects) if one.get("reason") == reason]

    def is_old(self, one: Object | None) -> bool:
        """Whether an object is so old that a controller or scheduler that runs would have looked at it."""
        return self.age(at(one, "metadata", "creationTimestamp")) > _PATIENCE

    def age(self, moment: Any) -> float:
        """The seconds since a time that an object states; 0 if it states none."""
        try:
            return (self.now - parsed(moment)).total_seconds()
        except (TypeError, ValueError):
            return 0.0

    @cached_property
    def by_ftc(self) -> bool:
        """Whether ftc wrote the workload, so that its keys are the remedy."""
        return self.workload is None or labels(self.workload).get("app.kubernetes.io/managed-by") == "ftc"

    def log(self, pod: Object, container: str) -> str:
        """The log of a container, or of its last run if it has started again."""
        key = f"{name_of(pod)}.{container}"
        return self.previous.get(key) or self.logs.get(key, "")


def at(one: Any, *path: str) -> Any:
    """The value at a path, or None."""
    for part in path:
        one = one.get(part) if isinstance(one, dict) else None
    return one


def rows(one: Any, *path: str) -> list[Object]:
    """The mappings of a list at a path."""
    found = at(one, *path)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def workload_name(name: str, objects: Iterable[Object]) -> str:
    """The workload that `vcjob/NAME`, `job/NAME` or the name of a pod means."""
    name = name.rpartition("/")[2]
    every = list(objects)
    jobs = [one for one in every if one.get("kind") in _WORKLOADS.get(group_of(one), ())]
    pod = next((one for one in every if one.get("kind") == "Pod" and name_of(one) == name), None)
    if pod is None or any(name_of(one) == name for one in jobs):
        return name
    own = {*owners(pod)}
    labelled = {labels(pod)[label] for label in _POD_LABELS if label in labels(pod)}
    return next((name_of(one) for one in jobs if uid_of(one) in own or name_of(one) in labelled), name)


def group_of(one: Object) -> str:
    """The API group of an object; empty for those of the core."""
    version = str(one.get("apiVersion"))
    return version.rpartition("/")[0]


def name_of(one: Object | None) -> str:
    """The name of an object; empty without one."""
    return str(at(one, "metadata", "name") or "")


def uid_of(one: Object | None) -> str:
    """The uid by which owner references name an object."""
    return str(at(one, "metadata", "uid") or "")


def labels(one: Object | None) -> dict[str, str]:
    """The labels of an object."""
    return texts(one, "metadata", "labels")


def texts(one: Any, *path: str) -> dict[str, str]:
    """The texts of a mapping at a path, by key."""
    found = at(one, *path)
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def amounts(one: Any, *path: str) -> dict[str, Decimal]:
    """The quantities of a mapping at a path, by resource, without other values."""
    found = {name: amount(value) for name, value in texts(one, *path).items()}
    return {name: value for name, value in found.items() if value is not None}


def whole(value: Any, otherwise: int) -> int:
    """A whole number that an object states."""
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def owners(one: Object) -> Iterator[str]:
    """The uids of the owners of an object."""
    return (str(row.get("uid")) for row in rows(one, "metadata", "ownerReferences"))


def condition(one: Object | None, kind: str) -> Object:
    """The condition of a type; an empty mapping without one."""
    return next((row for row in rows(one, "status", "conditions") if row.get("type") == kind), {})


def containers(pod: Object) -> Iterator[tuple[str, Object]]:
    """The name and the status of each container, in the order in which they start."""
    for key in ("initContainerStatuses", "containerStatuses"):
        for row in rows(pod, "status", key):
            yield str(row.get("name")), row


def requests(pod_spec: Object) -> dict[str, Decimal]:
    """The requests of a pod: the sum of its containers, or its largest init container if that is more."""
    total: dict[str, Decimal] = {}
    for one in rows(pod_spec, "containers"):
        for name, value in _requested(one).items():
            total[name] = total.get(name, NOTHING) + value
    for one in rows(pod_spec, "initContainers"):
        for name, value in _requested(one).items():
            total[name] = max(total.get(name, NOTHING), value)
    return total


def _requested(container: Object) -> dict[str, Decimal]:
    return {**amounts(container, "resources", "limits"), **amounts(container, "resources", "requests")}


def devices(pod_spec: Object) -> int:
    """The number of devices of a pod; at least 1."""
    return max([int(value) for name, value in requests(pod_spec).items() if is_device(name)] + [1])


def is_device(name: str) -> bool:
    """Whether a resource counts devices; the memory and the cores of a slice are not devices."""
    return "/" in name and name not in shares()


def allocatable(node: Object) -> dict[str, Decimal]:
    """The resources that a node offers to pods."""
    return amounts(node, "status", "allocatable")


def pod_template(workload: Object | None) -> Object:
    """The spec of the pods of a workload: of the first task, of the Job, of the first replicated Job."""
    job = (rows(workload, "spec", "tasks") or rows(workload, "spec", "replicatedJobs") or [{}])[0]
    inner = at(job, "template", "spec", "template", "spec")
    found = inner or at(job, "template", "spec") or at(workload, "spec", "template", "spec")
    return found if isinstance(found, dict) else {}


def claims(pod: Object) -> list[str]:
    """The names of the claims of a pod."""
    found = [at(one, "persistentVolumeClaim", "claimName") for one in rows(pod, "spec", "volumes")]
    return [str(one) for one in found if one]


def parsed(moment: str) -> datetime:
    """A time of Kubernetes, with or without fractions of a second."""
    return datetime.fromisoformat(moment).astimezone(UTC)


def seen_at(event: Object) -> str:
    """The last time of an event; kube-scheduler writes only eventTime."""
    moment = at(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(moment or at(event, "metadata", "creationTimestamp") or "")


def _about(event: Object) -> tuple[str, str]:
    one = event.get("involvedObject") or event.get("regarding")
    return (str(at(one, "kind")), str(at(one, "name")))


def quoted(names: Iterable[str]) -> str:
    """`"a"`, `"b" and "c"`; at most five."""
    found = [f'"{one}"' for one in names][:5]
    return " and ".join(([", ".join(found[:-1])] if found[1:] else []) + found[-1:])
