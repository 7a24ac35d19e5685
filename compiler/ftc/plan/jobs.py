"""Parts that the jobs of Kubernetes share, and the spec of a JobSet, which a TrainJob runs too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import pod, publish
from ftc.plan.kubernetes import KUEUE_QUEUE, MIN_MEMBER, VOLCANO_QUEUE
from ftc.plan.merge import merge
from ftc.plan.pod import main_containers, train_container
from ftc.plan.storage import WORKSPACE, claim_spec

if TYPE_CHECKING:
    from ftc.plan.types import BoundRun, RunPlan
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
    return {"metadata": {"annotations": {VOLCANO_QUEUE: run.queue}}}


def gang(run: RunPlan) -> Json:
    """The annotation of a batch Job for which Volcano creates a PodGroup (Volcano ≥1.12, pkg/controllers/podgroup)."""
    return {"annotations": {MIN_MEMBER: str(run.min_nodes)}} if run.gang_jobs else {}


def kueue_queue(run: RunPlan) -> Json:
    """The label of the object that Kueue admits as a whole."""
    return {"labels": {KUEUE_QUEUE: run.kueue_queue}} if run.kueue_queue else {}


def own_claim(run: RunPlan, claim: JobClaim) -> Json:
    """A fragment with an ephemeral claim of the pod, because these jobs cannot own a claim."""
    spec = claim_spec(claim.access_mode, claim.storage_class, claim.size)
    volume = {"name": WORKSPACE, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    mount = {"name": WORKSPACE, "mountPath": claim.mount_path}
    read_only = {"name": publish.NAME, "volumeMounts": [{**mount, "readOnly": True}]}
    publishing: Json = {"spec": {"containers": [read_only]}} if run.publish_step else {}
    mounts = merge(train_container(volumeMounts=[mount]), publishing)
    return merge(mounts, {"spec": {"volumes": [volume]}})


JOB = "node"
"""The name of the only replicated Job; JobSet names its pods `<jobset>-node-0-<index>`, and five more characters."""
NAME_SECONDS = 7200
"""How long a pod waits for the name of rank 0 (scripts/rendezvous_jobset.sh, rendezvous_trainjob.sh)."""

# JobSet's controller sets both on every pod (pkg/controllers/jobset_controller.go, labelAndAnnotateObject).
_NAME = "metadata.labels['jobset.sigs.k8s.io/jobset-name']"
_UID = "metadata.labels['jobset.sigs.k8s.io/jobset-uid']"


def bind(run: RunPlan, target: str, rendezvous: str) -> BoundRun:
    """The run with the pod of a JobSet."""
    spec = {"spec": scheduling(run), **volcano_queue(run)}
    own = merge(merge(main_containers(run, env=_name_variables(run)), spec), train_container(env=_master(run)))
    return pod.bind(run, target, rendezvous, merge(own, own_claim(run, run.job_claim)) if run.job_claim else own)


def jobset_spec(run: RunPlan, metadata: Json, template: Json) -> Json:
    """One replicated Job with this metadata and this pod template; if a pod fails, all pods restart.

    A failed Job is not retried (`backoffLimit` 0): JobSet deletes it with its pods before it creates it again, so two
    pods never write as the same rank. If the cluster removed a pod, the Job fails with the reason PodFailurePolicy, and
    the restart does not count, unless a peer that lost its connection has failed first (JobSet, KEP 262).
    """
    uncounted = {"name": "disruption", "action": "RestartJobSetAndIgnoreMaxRestarts"}
    job: Json = {
        "completionMode": "Indexed",
        "completions": run.nodes,
        "parallelism": run.nodes,
        "backoffLimit": 0,
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onPodConditions": [TAKEN_AWAY]}]},
        "template": template,
    }
    return {
        "failurePolicy": {
            "maxRestarts": run.restarts,
            "rules": [{**uncounted, "onJobFailureReasons": ["PodFailurePolicy"]}],
        },
        "replicatedJobs": [
            {"name": JOB, "replicas": 1, "template": {**({"metadata": metadata} if metadata else {}), "spec": job}}
        ],
    }


def master(run: RunPlan) -> str:
    """The address of rank 0: its host name in the Service of the JobSet, which has the JobSet's name."""
    return f"{run.object_name}-{JOB}-0-0.{run.object_name}"


def on_failure(run: RunPlan) -> str:
    """When the pods restart, in words."""
    then = "continue from the last checkpoint" if run.resumes else "run the command again"
    if not run.restarts:
        return f"never (maxRestarts 0): a pod that fails ends the job; if a pod is evicted, all pods restart and {then}"
    times = "once" if run.restarts == 1 else f"{run.restarts} times"
    return f"{times} (maxRestarts): if a pod fails, all pods restart and {then}; an evicted one does not count"


def _name_variables(run: RunPlan) -> list[Json]:
    """JOB_NAME: the next job may reuse a fixed name, so the JobSet's UID is appended."""
    if run.generate_name:
        return [from_field("JOB_NAME", _NAME)]
    return [from_field("JOB_UID", _UID), {"name": "JOB_NAME", "value": f"{run.name}-$(JOB_UID)"}]


def _master(run: RunPlan) -> list[Json]:
    if run.nodes == 1:
        return []
    name = "JOB_NAME" if run.generate_name else "JOBSET_NAME"
    address = {"name": "MASTER_ADDR", "value": f"$({name})-{JOB}-0-0.$({name})"}
    return [address] if run.generate_name else [from_field(name, _NAME), address]
