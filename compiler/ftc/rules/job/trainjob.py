"""Rules on TrainJobs of Kubeflow Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.given import containers
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.targets import trainjob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def finished_job_is_kept(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A finished TrainJob is kept until it is deleted.

    A TrainJob does not have `ttlSecondsAfterFinished`, so ftc leaves it out. With that of the JobSet in the runtime,
    Trainer 2.1 creates a completed JobSet again when it is gone, and other releases a failed one: the job runs again.
    Source: kubeflow/trainer, issues 2981, 3737 and 3779.

    Wrong: ttl_seconds_after_finished=3600
    Right: ttl_seconds_after_finished=null
    """
    if spec.ttl_seconds_after_finished is not None:
        message = "a TrainJob does not delete itself, so this has no effect"
        yield Finding(("ttl_seconds_after_finished",), message, "remove it, and delete the TrainJob; or use -t jobset")


def container_name_is_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """No other container has the name of the one that trains.

    Trainer recognizes the container that trains by the name `node`, so ftc renames `train`. The API server rejects a
    pod with two containers of one name.
    Source: kubeflow/trainer, pkg/constants (Node).

    Wrong: 'pod={spec: {containers: [{name: node, image: exporter}]}}'
    Right: 'pod={spec: {containers: [{name: exporter, image: exporter}]}}'
    """
    for path, container in containers(spec):
        if container.get("name") == trainjob.MAIN:
            yield Finding((*path, "name"), "is the name of the container that trains in a TrainJob", "rename it")


def pod_group_needs_trainer_2_1(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Trainer creates a PodGroup of Volcano from 2.1 on.

    The API server of Trainer 2.0 does not know `podGroupPolicy.volcano`: `kubectl create` reports an unknown field.
    Source: kubeflow/trainer, pkg/runtime/framework/plugins/volcano.

    Wrong: nodes=2 storage=shared cluster.gang_jobs=true
    Right: nodes=2 storage=shared cluster.kueue_queue=team
    """
    if spec.cluster.gang_jobs and run.min_nodes == run.nodes:
        message = "podGroupPolicy.volcano needs Kubeflow Trainer 2.1 or later"
        yield Finding(("cluster", "gang_jobs"), message, "with Trainer 2.0, use cluster.kueue_queue=…, or -t jobset")


RULES = (
    Rule("FTC592", "trainjob-keeps-finished-job", finished_job_is_kept, JobSpec, Severity.WARNING, target="trainjob"),
    Rule("FTC593", "reserved-container-name", container_name_is_free, JobSpec, target="trainjob", needed=True),
    Rule(
        "FTC594",
        "pod-group-needs-trainer-2-1",
        pod_group_needs_trainer_2_1,
        JobSpec,
        Severity.NOTE,
        target="trainjob",
    ),
)
