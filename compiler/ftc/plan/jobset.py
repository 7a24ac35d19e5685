"""The spec of a JobSet around the pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan.jobs import TAKEN_AWAY, gang

if TYPE_CHECKING:
    from ftc.plan.types import BoundRun
    from ftc.spec.base import Json

JOB = "node"
"""The name of the only replicated Job; JobSet names its pods `<jobset>-node-0-<index>`, and five more characters."""


def jobset_spec(run: BoundRun, labels: Json) -> Json:
    """One replicated Job, which has these `labels`; if a pod fails, all pods restart.

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
        "template": run.pod.content,
    }
    metadata = {**({"labels": labels} if labels else {}), **gang(run)}
    return {
        "failurePolicy": {
            "maxRestarts": run.restarts,
            "rules": [{**uncounted, "onJobFailureReasons": ["PodFailurePolicy"]}],
        },
        "replicatedJobs": [
            {"name": JOB, "replicas": 1, "template": {**({"metadata": metadata} if metadata else {}), "spec": job}}
        ],
    }


def on_failure(run: BoundRun) -> str:
    """When the pods restart, in words."""
    then = "continue from the last checkpoint" if run.resumes else "run the command again"
    if not run.restarts:
        return f"never (maxRestarts 0): a pod that fails ends the job; if a pod is evicted, all pods restart and {then}"
    times = "once" if run.restarts == 1 else f"{run.restarts} times"
    return f"{times} (maxRestarts): if a pod fails, all pods restart and {then}; an evicted one does not count"
