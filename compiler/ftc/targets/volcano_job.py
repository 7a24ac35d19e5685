"""A Volcano Job with the pod: one task, one gang."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.objects import lifetime, metadata
from ftc.plan.pod import bind, main_containers
from ftc.plan.storage import claim_spec
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

TASK = "worker"
# Volcano's controller sets both on every pod (pkg/controllers/job/job_controller_util.go, createJobPod).
_JOB_NAME = "metadata.labels['volcano.sh/job-name']"
_JOB_NAME_AND_UID = "metadata.annotations['scheduling.k8s.io/group-name']"


def emit(run: RunPlan) -> str:
    """The manifest."""
    return dump(manifest(run))


def manifest(run: RunPlan) -> Json:
    """The Job: with `minAvailable` equal to `replicas`, Volcano starts all pods or none.

    `maxRetry` includes the first attempt, and 0 means Volcano's default of 3 (Volcano 1.8 to 1.15,
    pkg/controllers/job/state/restarting.go, pkg/webhooks/admission/jobs/mutate).
    """
    return {
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
            "policies": [{"event": event, "action": "RestartJob"} for event in _fatal(run)],
            **({"volumes": [_volume(run.job_claim)]} if run.job_claim else {}),
            "tasks": [{"name": TASK, "replicas": run.nodes, **_as_the_webhook(run), "template": _template(run)}],
        },
    }


def _fatal(run: RunPlan) -> tuple[str, ...]:
    """The events that restart the job; an elastic job continues without an evicted pod until Volcano recreates it."""
    return ("PodEvicted", "PodFailed") if run.min_nodes == run.nodes else ("PodFailed",)


def _as_the_webhook(run: RunPlan) -> Json:
    """The defaults that Volcano's webhook sets on a new task (pkg/webhooks/admission/jobs/mutate); see `_template` too.

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


def _template(run: RunPlan) -> Json:
    rendezvous = "rendezvous_volcano.sh" if run.nodes > 1 else "rendezvous_single.sh"
    # The next job may reuse a fixed name.
    field = _JOB_NAME if run.generate_name else _JOB_NAME_AND_UID
    name = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": field}}}
    template = bind(run, rendezvous, main_containers(run, env=[name]))
    body = template["spec"]
    if body.get("hostNetwork") and "dnsPolicy" not in body:
        return {**template, "spec": {**body, "dnsPolicy": "ClusterFirstWithHostNet"}}
    return template
