"""A workload that is to be created: its pods, the objects that they name, and what the cluster has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ftc.cluster.snapshot import Object, Snapshot, at, group_of, labels, name_of, rows, uid_of, whole
from ftc.plan.kubernetes import KUEUE_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.cluster.cause import Cause
    from ftc.diagnostics.model import KeyPath


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
    return labels(job).get(KUEUE_QUEUE, "")


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


class Pods(NamedTuple):
    """Pods of one template: its place in the workload, their number, and how many must start together."""

    place: KeyPath
    template: Object
    number: int
    together: int

    @property
    def spec(self) -> Object:
        """The spec of each pod."""
        found = at(self.template, "spec")
        return found if isinstance(found, dict) else {}


def pods_of(job: Object) -> tuple[Pods, ...]:
    """The pods of a VolcanoJob, a Job or a JobSet; those of a TrainJob are in its runtime."""
    tasks, jobs = rows(job, "spec", "tasks"), rows(job, "spec", "replicatedJobs")
    if tasks:
        return tuple(_of_task(job, index, task) for index, task in enumerate(tasks))
    if jobs:
        return tuple(_of_replicated(index, one) for index, one in enumerate(jobs))
    template = at(job, "spec", "template")
    number = _of_job(at(job, "spec"))
    return (Pods(("spec", "template"), template, number, number),) if isinstance(template, dict) else ()


def _of_task(job: Object, index: int, task: Object) -> Pods:
    number = whole(task.get("replicas"), 1)
    alone = len(rows(job, "spec", "tasks")) == 1
    least = whole(task.get("minAvailable"), whole(at(job, "spec", "minAvailable"), number) if alone else number)
    return Pods(("spec", "tasks", index, "template"), task.get("template") or {}, number, least)


def _of_job(spec: Object | None) -> int:
    """How many pods of a batch Job run at once."""
    parallelism = whole(at(spec, "parallelism"), 1)
    return min(parallelism, whole(at(spec, "completions"), parallelism))


def _of_replicated(index: int, one: Object) -> Pods:
    inner = at(one, "template", "spec")
    number = whole(one.get("replicas"), 1) * _of_job(inner)
    place = ("spec", "replicatedJobs", index, "template", "spec", "template")
    return Pods(place, at(inner, "template") or {}, number, number)


class Reference(NamedTuple):
    """An object of the namespace that a pod needs, and the place of its name."""

    kind: str
    name: str
    place: KeyPath


_KINDS = {
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
    "secret": "Secret",
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMap": "ConfigMap",
    "persistentVolumeClaim": "PersistentVolumeClaim",
}
_NAMES = ("name", "secretName", "claimName")


def references(value: Any, place: KeyPath) -> Iterator[Reference]:
    """The Secrets, ConfigMaps and claims that a pod cannot start without."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        kind = _KINDS.get(str(step))
        if kind and isinstance(inner, dict):
            given = [one for one in _NAMES if isinstance(inner.get(one), str)]
            for field in [] if inner.get("optional") is True else given:
                yield Reference(kind, inner[field], (*place, step, field))
        else:
            yield from references(inner, (*place, step))


def directory(job: Object) -> str:
    """The directory in which ftc's scripts run a job that exists; empty for the pods of others."""
    for pods in pods_of(job):
        for one in rows(pods.spec, "containers"):
            variables = {str(row.get("name")): row for row in rows(one, "env")}
            workspace, name = at(variables.get("WORKSPACE"), "value"), variables.get("JOB_NAME")
            if one.get("name") == "train" and workspace and name and _job_name(name, job):
                return f"{workspace}/{_job_name(name, job)}"
    return ""


def _job_name(variable: Object, job: Object) -> str:
    """The value that JOB_NAME will have: the name, with the uid if the name is fixed; empty if it is another name."""
    field = str(at(variable, "valueFrom", "fieldRef", "fieldPath") or "")
    if job.get("kind") != "Job" and "jobset-name" not in field:
        return ""
    has_uid = "group-name" in field or "$(JOB_UID)" in str(variable.get("value"))
    return f"{name_of(job)}-{uid_of(job)}" if has_uid else name_of(job)
