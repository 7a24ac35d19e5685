"""A Volcano Job around the pod: one task, one gang."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.objects import lifetime, metadata
from ftc.plan.pod import bind, train_container
from ftc.plan.storage import claim_spec
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

TASK = "worker"
# Both are given to every pod by Volcano's controller (pkg/controllers/job/job_controller_util.go, createJobPod).
_JOB_NAME = "metadata.labels['volcano.sh/job-name']"
_JOB_NAME_AND_UID = "metadata.annotations['scheduling.k8s.io/group-name']"


def emit(run: RunPlan) -> str:
    """The manifest."""
    return dump(manifest(run))


def manifest(run: RunPlan) -> Json:
    """The Job: `minAvailable` equal to `replicas` is what makes Volcano start all pods or none; see `_elastic`.

    `maxRetry` counts the first attempt too, and 0 means Volcano's default of 3 (Volcano 1.8 to 1.15,
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
            "tasks": [{"name": TASK, "replicas": run.nodes, **_elastic(run), "template": _template(run)}],
        },
    }


def _fatal(run: RunPlan) -> tuple[str, ...]:
    """What restarts the job; an elastic one goes on without an evicted pod, which its controller makes anew."""
    return ("PodEvicted", "PodFailed") if run.min_nodes == run.nodes else ("PodFailed",)


def _elastic(run: RunPlan) -> Json:
    """The pods that a task begins with; Volcano's webhook would take all (pkg/webhooks/admission/jobs/mutate)."""
    return {} if run.min_nodes == run.nodes else {"minAvailable": run.min_nodes}


# A pod looks its peers up before it is ready, so their names must resolve by then.
_PLUGINS: Json = {"plugins": {"svc": ["--publish-not-ready-addresses=true"], "env": []}}


def _volume(claim: JobClaim) -> Json:
    return {
        "mountPath": claim.mount_path,
        "volumeClaim": claim_spec(claim.access_mode, claim.storage_class, claim.size),
    }


def _template(run: RunPlan) -> Json:
    rendezvous = "rendezvous_volcano.sh" if run.nodes > 1 else "rendezvous_single.sh"
    # A fixed name comes back with the next job, which is another run.
    field = _JOB_NAME if run.generate_name else _JOB_NAME_AND_UID
    name = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": field}}}
    return bind(run, rendezvous, train_container(env=[name]))
