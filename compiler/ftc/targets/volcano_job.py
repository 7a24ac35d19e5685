"""A Volcano Job around the pod: one task, one gang."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.plan import pod
from ftc.plan.objects import lifetime, metadata
from ftc.plan.pod import main_containers
from ftc.plan.storage import claim_spec
from ftc.summary.types import Default, OfTarget
from ftc.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json
    from ftc.spec.storage import JobClaim

NAME = "volcano"
TASK = "worker"
# Both are given to every pod by Volcano's controller (pkg/controllers/job/job_controller_util.go, createJobPod).
_JOB_NAME = "metadata.labels['volcano.sh/job-name']"
_JOB_NAME_AND_UID = "metadata.annotations['scheduling.k8s.io/group-name']"


def bind(run: RunPlan) -> BoundRun:
    """The run with what Volcano's pod needs."""
    rendezvous = "rendezvous_volcano.sh" if run.nodes > 1 else "rendezvous_single.sh"
    # A fixed name comes back with the next job, which is another run.
    field = _JOB_NAME if run.generate_name else _JOB_NAME_AND_UID
    name = {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": field}}}
    bound = pod.bind(run, NAME, rendezvous, main_containers(run, env=[name]))
    body = bound.pod.at(("spec",))
    network = body.at(("hostNetwork",))
    if not network.content or "dnsPolicy" in body.content:
        return bound
    resolving = body.replaced("dnsPolicy", "ClusterFirstWithHostNet", network.record)
    return msgspec.structs.replace(bound, pod=bound.pod.replaced("spec", *resolving))


def emit(run: BoundRun) -> str:
    """The manifest."""
    return dump(manifest(run))


def manifest(run: BoundRun) -> Json:
    """The Job: `minAvailable` equal to `replicas` is what makes Volcano start all pods or none.

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
            "tasks": [{"name": TASK, "replicas": run.nodes, **_as_the_webhook(run), "template": run.pod.content}],
        },
    }


def summary(run: BoundRun) -> OfTarget:
    """What holds for a VolcanoJob."""
    name = run.object_name
    return OfTarget(f"{name}-{TASK}-0.{name}", f"{TASK}-0", _on_failure(run), tuple(_defaults(run)))


def _on_failure(run: RunPlan) -> str:
    times = "once" if run.restarts == 1 else f"{run.restarts} times"
    if run.restarts and run.min_nodes < run.nodes:
        return f"{times}: when a node is lost, the others go on from the last checkpoint, and its pod is made anew"
    if run.restarts:
        return f"{times}: when a pod fails or is evicted, all start again and go on from the last checkpoint"
    return "none: a pod that fails or is evicted ends the job"


def _defaults(run: BoundRun) -> Iterator[Default]:
    """What Volcano's webhook and the API server set where the VolcanoJob says nothing.

    Source: Volcano, pkg/webhooks/admission/jobs/mutate/mutate_job.go; Kubernetes, pkg/apis/core/v1/defaults.go.
    """
    body = run.pod.content["spec"]
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the job stays until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the one of whoever submits")
    if run.priority_class is None and "priorityClassName" not in body:
        yield Default("priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("volumes[0].volumeClaim.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in body:
        yield Default("template.spec.terminationGracePeriodSeconds", "30")


def _fatal(run: RunPlan) -> tuple[str, ...]:
    """What restarts the job; an elastic one goes on without an evicted pod, which its controller makes anew."""
    return ("PodEvicted", "PodFailed") if run.min_nodes == run.nodes else ("PodFailed",)


def _as_the_webhook(run: RunPlan) -> Json:
    """What Volcano's webhook writes into a new task (pkg/webhooks/admission/jobs/mutate), which `bind` completes.

    It does so for a new job only: a second `kubectl apply` of a manifest without these takes them away again, and
    another webhook refuses that (`job updates may not change fields`). `maxRetry` counts containers that restart in
    their pod, and none does.
    """
    return {"minAvailable": run.min_nodes, "maxRetry": 3}


# A pod looks its peers up before it is ready, so their names must resolve by then.
_PLUGINS: Json = {"plugins": {"svc": ["--publish-not-ready-addresses=true"], "env": []}}


def _volume(claim: JobClaim) -> Json:
    return {
        "mountPath": claim.mount_path,
        "volumeClaim": claim_spec(claim.access_mode, claim.storage_class, claim.size),
    }
