"""Parts that the jobs of Kubernetes share: batch Job, JobSet, TrainJob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import publish
from ftc.plan.merge import merge
from ftc.plan.pod import train_container
from ftc.plan.storage import WORKSPACE, claim_spec

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

TAKEN_AWAY: Json = {"type": "DisruptionTarget", "status": "True"}
"""The condition of a pod that the cluster removes: an eviction, a preemption, a drained node."""


def from_field(name: str, path: str) -> Json:
    """A variable with the value of a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def scheduling(run: RunPlan) -> Json:
    """The fields of the pod that a Volcano Job has in its own spec."""
    priority = {"priorityClassName": run.priority_class} if run.priority_class else {}
    return {**({"schedulerName": run.scheduler} if run.gang_jobs else {}), **priority}


def volcano_queue(run: RunPlan) -> Json:
    """A fragment of the pod: Volcano reads the queue of a batch Job from its pods."""
    if not run.gang_jobs:
        return {}
    return {"metadata": {"annotations": {"scheduling.volcano.sh/queue-name": run.queue}}}


def gang(run: RunPlan) -> Json:
    """The annotation of a batch Job for which Volcano creates a PodGroup (Volcano ≥1.12, pkg/controllers/podgroup)."""
    return {"annotations": {"scheduling.volcano.sh/group-min-member": str(run.min_nodes)}} if run.gang_jobs else {}


def kueue_queue(run: RunPlan) -> Json:
    """The label of the object that Kueue admits as a whole."""
    return {"labels": {"kueue.x-k8s.io/queue-name": run.kueue_queue}} if run.kueue_queue else {}


def own_claim(run: RunPlan, claim: JobClaim) -> Json:
    """A fragment with an ephemeral claim of the pod, because these jobs cannot own a claim."""
    spec = claim_spec(claim.access_mode, claim.storage_class, claim.size)
    volume = {"name": WORKSPACE, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    mount = {"name": WORKSPACE, "mountPath": claim.mount_path}
    read_only = {"name": publish.NAME, "volumeMounts": [{**mount, "readOnly": True}]}
    publishing: Json = {"spec": {"containers": [read_only]}} if run.publish_step else {}
    mounts = merge(train_container(volumeMounts=[mount]), publishing)
    return merge(mounts, {"spec": {"volumes": [volume]}})
