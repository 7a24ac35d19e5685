"""The kinds of workload: where the API server has them, and how each counts its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftc.cluster.snapshot import at, group_of, labels, rows, texts, whole
from ftc.plan.kubernetes import KUEUE_QUEUE, VOLCANO_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftc.cluster.snapshot import Object


class Kind(NamedTuple):
    """A kind of workload: its path and plural in the API, and the nodes (pods) that a workload wants.

    `found_by` is the label of a workload's pods that has its name.
    """

    name: str
    path: str
    plural: str
    found_by: str
    nodes: Callable[[Object], int]

    @property
    def group(self) -> str:
        """The API group."""
        return self.path.split("/")[2]

    @property
    def kind(self) -> str:
        """The kind as the objects state it."""
        return "Job" if self.plural == "jobs" else self.name


def _of_tasks(job: Object) -> int:
    return sum(whole(one.get("replicas"), 1) for one in rows(job, "spec", "tasks"))


def _of_job(job: Object) -> int:
    parallelism = whole(at(job, "spec", "parallelism"), 1)
    return min(parallelism, whole(at(job, "spec", "completions"), parallelism))


def _of_replicated_jobs(job_set: Object) -> int:
    return sum(
        whole(one.get("replicas"), 1) * _of_job(at(one, "template") or {})
        for one in rows(job_set, "spec", "replicatedJobs")
    )


def _of_trainer(job: Object) -> int:
    """0 if the runtime decides."""
    return whole(at(job, "spec", "trainer", "numNodes"), 0)


KINDS = (
    Kind("VolcanoJob", "/apis/batch.volcano.sh/v1alpha1", "jobs", "volcano.sh/job-name", _of_tasks),
    Kind("Job", "/apis/batch/v1", "jobs", "job-name", _of_job),
    Kind(
        "JobSet",
        "/apis/jobset.x-k8s.io/v1alpha2",
        "jobsets",
        "jobset.sigs.k8s.io/jobset-name",
        _of_replicated_jobs,
    ),
    Kind(
        "TrainJob",
        "/apis/trainer.kubeflow.org/v1alpha1",
        "trainjobs",
        "jobset.sigs.k8s.io/jobset-name",
        _of_trainer,
    ),
)


def kind_of(workload: Object) -> Kind | None:
    """The row of a workload."""
    stated = (group_of(workload), workload.get("kind"))
    return next((kind for kind in KINDS if (kind.group, kind.kind) == stated), None)


def queue_of(workload: Object) -> str:
    """The queue of Volcano or Kueue; empty without one."""
    queue = at(workload, "spec", "queue")
    template = texts(workload, "spec", "template", "metadata", "annotations")
    return str(queue or labels(workload).get(KUEUE_QUEUE) or template.get(VOLCANO_QUEUE) or "")
