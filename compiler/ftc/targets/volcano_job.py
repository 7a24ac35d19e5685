"""A Volcano Job with the pod: one task, one gang."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.plan import pod
from ftc.plan.kubernetes import GROUP_NAME, lifetime, metadata
from ftc.plan.pod import main_containers
from ftc.plan.storage import claim_spec
from ftc.summary.types import Default, OfTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

NAME = "volcano"
TASK = "worker"
# Volcano's controller sets both on every pod (pkg/controllers/job/job_controller_util.go, createJobPod).
_JOB_NAME = "metadata.labels['volcano.sh/job-name']"
_JOB_NAME_AND_UID = f"metadata.annotations['{GROUP_NAME}']"


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of a VolcanoJob."""
    rendezvous = "rendezvous_volcano.sh" if run.nodes > 1 else "rendezvous_single.sh"
    # The next job may reuse a fixed name.
    field = _JOB_NAME if run.generate_name else _JOB_NAME_AND_UID
    name = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": field}}}
    bound = pod.bind(run, NAME, rendezvous, main_containers(run, env=[name]))
    body = bound.pod.at(("spec",))
    network = body.at(("hostNetwork",))
    if not network.content or "dnsPolicy" in body.content:
        return bound
    resolving = body.replaced("dnsPolicy", "ClusterFirstWithHostNet", network.record)
    return msgspec.structs.replace(bound, pod=bound.pod.replaced("spec", *resolving))


def objects(run: BoundRun) -> list[Json]:
    """The Job: with `minAvailable` equal to `replicas`, Volcano starts all pods or none.

    `maxRetry` includes the first attempt, and 0 means Volcano's default of 3 (Volcano 1.8 to 1.15,
    pkg/controllers/job/state/restarting.go, pkg/webhooks/admission/jobs/mutate).
    """
    action = "RestartJob" if run.restarts else "TerminateJob"
    job: Json = {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": metadata(run, None if run.generate_name else run.name),
        "spec": {
            "schedulerName": run.scheduler,
            "queue": run.queue,
            **({"priorityClassName": run.priority_class} if run.priority_class else {}),
            "minAvailable": run.min_nodes,
            "maxRetry": run.restarts + 1,
            **lifetime(run),
            **(_PLUGINS if run.nodes > 1 else {}),
            "policies": [{"event": event, "action": action} for event in _fatal(run)],
            **({"volumes": [_volume(run.job_claim)]} if run.job_claim else {}),
            "tasks": [{"name": TASK, "replicas": run.nodes, **_as_the_webhook(run), "template": run.pod.content}],
        },
    }
    return [job]


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    name = run.object_name
    queue = ("queue", run.queue)
    return OfTarget(f"{name}-{TASK}-0.{name}", f"{TASK}-0", _on_failure(run), tuple(_defaults(run)), queue)


def _on_failure(run: RunPlan) -> str:
    times = "once" if run.restarts == 1 else f"{run.restarts} times"
    then = "continue from the last checkpoint" if run.resumes else "run the command again"
    if run.restarts and run.min_nodes < run.nodes:
        return f"{times}: if a node is lost, the others {then}, and its pod is recreated"
    if run.restarts:
        return f"{times}: if a pod fails or is evicted, all pods restart and {then}"
    return "never: a pod that fails or is evicted ends the job"


def _defaults(run: BoundRun) -> Iterator[Default]:
    """The defaults that Volcano's webhook and the API server set in the VolcanoJob.

    Source: Volcano, pkg/webhooks/admission/jobs/mutate/mutate_job.go; Kubernetes, pkg/apis/core/v1/defaults.go.
    """
    body = run.pod.content["spec"]
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the job is kept until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the submitter's current namespace")
    if run.priority_class is None and "priorityClassName" not in body:
        yield Default("priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("volumes[0].volumeClaim.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in body:
        yield Default("template.spec.terminationGracePeriodSeconds", "30")


def _fatal(run: RunPlan) -> tuple[str, ...]:
    """The events that end an attempt; an elastic job goes on without an evicted pod, which Volcano recreates."""
    return ("PodEvicted", "PodFailed") if run.min_nodes == run.nodes else ("PodFailed",)


def _as_the_webhook(run: RunPlan) -> Json:
    """The defaults that Volcano's webhook sets on a new task (pkg/webhooks/admission/jobs/mutate); see `bind` too.

    The webhook sets them only on creation. A second `kubectl apply` of a manifest without them would remove them, and
    another webhook rejects that (`job updates may not change fields`). A task's `maxRetry` counts restarts of
    containers in a pod, which never happen here.
    """
    return {"minAvailable": run.min_nodes, "maxRetry": 3}


# A pod looks up its peers before they are ready.
_PLUGINS: Json = {"plugins": {"svc": ["--publish-not-ready-addresses=true"], "env": []}}


def _volume(claim: JobClaim) -> Json:
    return {
        "mountPath": claim.mount_path,
        "volumeClaim": claim_spec(claim.access_mode, claim.storage_class, claim.size),
    }
