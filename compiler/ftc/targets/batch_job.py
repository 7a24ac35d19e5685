"""A batch/v1 Job with the pod, and a headless Service if there are several nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import names, pod
from ftc.plan.jobs import TAKEN_AWAY, from_field, gang, kueue_queue, own_claim, scheduling, volcano_queue
from ftc.plan.kubernetes import lifetime, metadata
from ftc.plan.merge import merge
from ftc.plan.pod import main_containers, train_container
from ftc.summary import types
from ftc.summary.types import Default, OfTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json

NAME = "job"
# The Job controller sets both on every pod (Kubernetes ≥1.27, pkg/controller/job/job_controller.go).
_JOB_NAME = "metadata.labels['batch.kubernetes.io/job-name']"
_JOB_UID = "metadata.labels['batch.kubernetes.io/controller-uid']"

_NAME_SECONDS = 7200  # scripts/rendezvous_job.sh


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of a Job."""
    rendezvous = "rendezvous_job.sh" if run.nodes > 1 else "rendezvous_single.sh"
    own = merge(
        main_containers(run, env=_name_variables(run)),
        {"spec": {**_subdomain(run), **scheduling(run)}, **volcano_queue(run)},
    )
    own = merge(own, train_container(env=_master(run)))
    return pod.bind(run, NAME, rendezvous, merge(own, own_claim(run, run.job_claim)) if run.job_claim else own)


def objects(run: BoundRun) -> list[Json]:
    """The Service, if any, comes before the Job whose pods need it to find each other."""
    return [_service(run), _job(run)] if run.nodes > 1 else [_job(run)]


def _job(run: BoundRun) -> Json:
    """The Job; each failed pod counts against `backoffLimit`, and one incident may fail all nodes.

    A pod is replaced only after it has ended, so that two pods never write as the same rank. A pod that the cluster
    removes (eviction, preemption, a drained node) does not count, but its peers then fail and do count
    (Kubernetes ≥1.29: both are on by default).
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _job_metadata(run),
        "spec": {
            **({"suspend": True} if run.suspend else {}),
            **_indexed(run),
            "backoffLimit": run.restarts * run.nodes,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [TAKEN_AWAY]}]},
            **lifetime(run),
            "template": run.pod.content,
        },
    }


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    name = _fixed_name(run) or run.object_name
    queue = ("LocalQueue", run.kueue_queue) if run.kueue_queue else None
    together = run.nodes == 1 or run.gang_jobs or run.kueue_queue is not None
    missing = tuple(_defaults(run))
    return OfTarget(f"{name}-0.{name}", "index 0", _on_failure(run), missing, queue, together, _NAME_SECONDS)


def _on_failure(run: RunPlan) -> str:
    """The Job controller replaces one pod (pkg/controller/job); the peers that lose it fail, and each counts."""
    limit = f"backoffLimit {run.restarts * run.nodes}"
    if not run.restarts:
        return f"never ({limit}): a pod that fails ends the Job; an evicted one is replaced"
    counted = (
        f"{run.restarts} for each of {run.nodes} nodes, since peers of a failed pod fail too" if run.nodes > 1 else ""
    )
    each = f"{limit} ({counted})" if counted else limit
    then = "continues from the last checkpoint" if run.resumes else "runs the command again"
    return f"{each}: a failed pod is replaced and {then}; an evicted one does not count"


def _defaults(run: BoundRun) -> Iterator[Default]:
    """The defaults that the API server sets in the Job (Kubernetes, pkg/apis/batch/v1 and core/v1, defaults.go)."""
    if run.nodes == 1:
        yield Default("completionMode", "NonIndexed, with one completion")
    yield from types.of_job(run)


def _indexed(run: RunPlan) -> Json:
    """All ranks run in parallel: with lower parallelism the first pods would wait for peers that never start."""
    if run.nodes == 1:
        return {}
    return {"completionMode": "Indexed", "completions": run.nodes, "parallelism": run.nodes}


def _service(run: RunPlan) -> Json:
    """A DNS name for each pod, even before it is ready, because ranks look up rank 0 at once."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata(run, _fixed_name(run)), "labels": names.without_contents(run.labels)},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": _fixed_name(run)},
        },
    }


def _fixed_name(run: RunPlan) -> str | None:
    """The name that Job and Service share; a Job of one node needs no Service, so its name is generated."""
    return run.fixed_name if run.nodes > 1 or not run.generate_name else None


def _job_metadata(run: RunPlan) -> Json:
    """With the label of Kueue, which admits the whole Job, and the annotations for gang scheduling."""
    queue = {**kueue_queue(run), **_partial(run)} if run.kueue_queue else {}
    return merge(merge(metadata(run, _fixed_name(run)), queue), gang(run))


def _partial(run: RunPlan) -> Json:
    """Kueue may admit an elastic Job with only the first pods (Kueue, pkg/controller/jobs/job)."""
    if run.min_nodes == run.nodes:
        return {}
    names = {"job-min-parallelism": str(run.min_nodes), "job-completions-equal-parallelism": "true"}
    return {"annotations": {f"kueue.x-k8s.io/{name}": value for name, value in names.items()}}


def _name_variables(run: RunPlan) -> list[Json]:
    """JOB_NAME: the next Job may reuse a fixed name, so the Job's UID is appended."""
    name = _fixed_name(run)
    if name is None:
        return [from_field("JOB_NAME", _JOB_NAME)]
    return [from_field("JOB_UID", _JOB_UID), {"name": "JOB_NAME", "value": f"{name}-$(JOB_UID)"}]


def _master(run: RunPlan) -> list[Json]:
    """The Job controller sets the host name of the pod with index 0 to `<job>-0`."""
    name = _fixed_name(run)
    return [{"name": "MASTER_ADDR", "value": f"{name}-0.{name}"}] if run.nodes > 1 else []


def _subdomain(run: RunPlan) -> Json:
    """The domain of the Service's DNS names."""
    return {"subdomain": _fixed_name(run)} if run.nodes > 1 else {}
