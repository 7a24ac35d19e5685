"""A batch/v1 Job with the pod, and a headless Service if there are several nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import pod, publish
from ftc.plan.kubernetes import lifetime, metadata
from ftc.plan.merge import merge
from ftc.plan.pod import main_containers, train_container
from ftc.plan.storage import WORKSPACE, claim_spec
from ftc.summary.types import Default, OfTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

NAME = "job"
# The Job controller sets both on every pod (Kubernetes ≥1.27, pkg/controller/job/job_controller.go).
_JOB_NAME = "metadata.labels['batch.kubernetes.io/job-name']"
_JOB_UID = "metadata.labels['batch.kubernetes.io/controller-uid']"

_NAME_SECONDS = 7200  # scripts/rendezvous_job.sh

_TAKEN_AWAY: Json = {"type": "DisruptionTarget", "status": "True"}


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of a Job."""
    rendezvous = "rendezvous_job.sh" if run.nodes > 1 else "rendezvous_single.sh"
    own = merge(main_containers(run, env=_name_variables(run)), {"spec": _pod(run), **_queue(run)})
    own = merge(own, train_container(env=_master(run)))
    return pod.bind(run, NAME, rendezvous, merge(own, _own_claim(run, run.job_claim)) if run.job_claim else own)


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
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [_TAKEN_AWAY]}]},
            **lifetime(run),
            "template": run.pod.content,
        },
    }


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    name = _fixed_name(run) or run.object_name
    queue = ("LocalQueue", run.kueue_queue) if run.kueue_queue else None
    gang = run.nodes == 1 or run.gang_jobs or run.kueue_queue is not None
    defaults = tuple(_defaults(run))
    return OfTarget(f"{name}-0.{name}", "index 0", _on_failure(run), defaults, queue, gang, _NAME_SECONDS)


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
    body = run.pod.content["spec"]
    if run.nodes == 1:
        yield Default("completionMode", "NonIndexed, with one completion")
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the Job is kept until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the submitter's current namespace")
    if "priorityClassName" not in body:
        yield Default("template.spec.priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("ephemeral.volumeClaimTemplate.spec.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in body:
        yield Default("template.spec.terminationGracePeriodSeconds", "30")


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
        "metadata": metadata(run, _fixed_name(run)),
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
    """With the labels and annotations for gang scheduling.

    Kueue admits the whole Job (kueue.x-k8s.io/queue-name); Volcano's controller creates a PodGroup for it
    (Volcano ≥1.12, pkg/controllers/podgroup).
    """
    queue = {"labels": {"kueue.x-k8s.io/queue-name": run.kueue_queue}, **_partial(run)} if run.kueue_queue else {}
    gang = {"annotations": {"scheduling.volcano.sh/group-min-member": str(run.min_nodes)}} if run.gang_jobs else {}
    return merge(merge(metadata(run, _fixed_name(run)), queue), gang)


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
        return [_from_field("JOB_NAME", _JOB_NAME)]
    return [_from_field("JOB_UID", _JOB_UID), {"name": "JOB_NAME", "value": f"{name}-$(JOB_UID)"}]


def _from_field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _master(run: RunPlan) -> list[Json]:
    """The Job controller sets the host name of the pod with index 0 to `<job>-0`."""
    name = _fixed_name(run)
    return [{"name": "MASTER_ADDR", "value": f"{name}-0.{name}"}] if run.nodes > 1 else []


def _pod(run: RunPlan) -> Json:
    """The fields that a Volcano Job has in its own spec, and the subdomain for the Service's DNS names."""
    subdomain = {"subdomain": _fixed_name(run)} if run.nodes > 1 else {}
    priority = {"priorityClassName": run.priority_class} if run.priority_class else {}
    return {**subdomain, **({"schedulerName": run.scheduler} if run.gang_jobs else {}), **priority}


def _queue(run: RunPlan) -> Json:
    """Volcano reads the queue of a batch Job from its pods."""
    if not run.gang_jobs:
        return {}
    return {"metadata": {"annotations": {"scheduling.volcano.sh/queue-name": run.queue}}}


def _own_claim(run: RunPlan, claim: JobClaim) -> Json:
    """An ephemeral claim of the pod, because a batch Job cannot own a claim."""
    spec = claim_spec(claim.access_mode, claim.storage_class, claim.size)
    volume = {"name": WORKSPACE, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    mount = {"name": WORKSPACE, "mountPath": claim.mount_path}
    read_only = {"name": publish.NAME, "volumeMounts": [{**mount, "readOnly": True}]}
    publishing: Json = {"spec": {"containers": [read_only]}} if run.publish_step else {}
    mounts = merge(train_container(volumeMounts=[mount]), publishing)
    return merge(mounts, {"spec": {"volumes": [volume]}})
