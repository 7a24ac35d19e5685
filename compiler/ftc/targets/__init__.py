"""Every target, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.output import verify
from ftc.plan.build import plan
from ftc.targets import (
    batch_job,
    claims,
    image,
    jobset,
    llamafactory,
    local_script,
    prefetch,
    scripts,
    trainjob,
    volcano_job,
)
from ftc.targets.target import FileTarget, PodTarget, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.job import JobSpec

_WITH_POD = (
    PodTarget(
        name=volcano_job.NAME,
        help="a VolcanoJob for kubectl create",
        bind=volcano_job.bind,
        objects=volcano_job.objects,
        verify=verify.volcano,
        summary=volcano_job.summary,
        file="volcano.yaml",
        kind="Job.batch.volcano.sh",
        path=("spec", "tasks", 0, "template"),
        title="VolcanoJob",
        gang=True,
        restarts_gang=True,
        elastic=True,
    ),
    PodTarget(
        name=batch_job.NAME,
        help="a batch/v1 Job, with its Service for several nodes",
        bind=batch_job.bind,
        objects=batch_job.objects,
        verify=verify.batch,
        summary=batch_job.summary,
        file="job.yaml",
        kind="Job.batch",
        path=("spec", "template"),
        title="batch Job",
        kueue=True,
        elastic=True,
        on_request=True,
    ),
    PodTarget(
        name=jobset.NAME,
        help="a JobSet, which restarts all pods together",
        bind=jobset.bind,
        objects=jobset.objects,
        verify=verify.jobset,
        summary=jobset.summary,
        file="jobset.yaml",
        kind="JobSet.jobset.x-k8s.io",
        path=("spec", "replicatedJobs", 0, "template", "spec", "template"),
        title="JobSet",
        kueue=True,
        restarts_gang=True,
        on_request=True,
    ),
    PodTarget(
        name=trainjob.NAME,
        help="a TrainJob of Kubeflow Trainer, with its TrainingRuntime",
        bind=trainjob.bind,
        objects=trainjob.objects,
        verify=verify.trainjob,
        summary=trainjob.summary,
        file="trainjob.yaml",
        kind="TrainingRuntime.trainer.kubeflow.org",
        path=("spec", "template", "spec", "replicatedJobs", 0, "template", "spec", "template"),
        main=trainjob.MAIN,
        title="TrainJob",
        kueue=True,
        restarts_gang=True,
        on_request=True,
    ),
)
_FILES = (
    FileTarget(
        name="storage",
        help="the claims that the run expects",
        emit=claims.emit,
        verify=verify.batch,
        file="storage.yaml",
        on_request=True,
        before_runs=True,
    ),
    FileTarget(
        name="scripts",
        help="the ConfigMap that runs with scripts=configmap expect",
        emit=scripts.emit,
        verify=verify.batch,
        file="scripts.yaml",
        on_request=True,
        before_runs=True,
    ),
    FileTarget(
        name=prefetch.NAME,
        help="a batch/v1 Job without devices that fills the cache",
        emit=prefetch.emit,
        verify=verify.batch,
        file="prefetch.yaml",
        on_request=True,
    ),
    FileTarget(
        name="llamafactory",
        help="train.yaml and merge.yaml, as the pod has them",
        emit=llamafactory.emit,
        verify=verify.arguments,
        on_request=True,
    ),
    FileTarget(
        name="image",
        help="a Dockerfile for the trainer's image",
        emit=image.emit,
        verify=verify.dockerfile,
        file="Dockerfile",
        on_request=True,
    ),
    FileTarget(
        name="script",
        help="a bash script that runs on this machine",
        emit=local_script.emit,
        verify=verify.script,
        file="run.sh",
        places=local_script.HERE,
        on_request=True,
    ),
)
TARGETS: dict[str, Target] = {target.name: target for target in (*_WITH_POD, *_FILES)}
POD_TARGETS: dict[str, PodTarget] = {target.name: target for target in _WITH_POD}
"""The targets whose objects run the job; applying two of them runs it twice."""
UNGANGED = tuple(name for name, target in POD_TARGETS.items() if not target.gang)
"""The targets whose pods the Kubernetes scheduler starts one by one, unless something else starts them together."""
KUEUE = tuple(name for name, target in POD_TARGETS.items() if target.kueue)
"""The targets whose object Kueue admits."""
RUNNING = frozenset(
    (*POD_TARGETS, prefetch.NAME, *(target.name for target in _FILES if target.places is not None)),
)
"""The targets that run the steps, or some of them, in a pod or on this machine."""


def bound(run: RunPlan, names: Iterable[str]) -> dict[str, BoundRun]:
    """The run bound to each of these targets that has a pod."""
    return {name: POD_TARGETS[name].bind(run) for name in names if name in POD_TARGETS}


def outputs(spec: JobSpec, run: RunPlan, names: Iterable[str], pods: Mapping[str, BoundRun]) -> dict[str, str]:
    """The artifacts of these targets; a target with its own places gets its own plan."""
    chosen = {name: TARGETS[name] for name in names}
    return {
        name: one.text(plan(spec, one.places, run.origin) if one.places else pods.get(name, run))
        for name, one in chosen.items()
    }
