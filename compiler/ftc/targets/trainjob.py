"""A TrainJob of Kubeflow Trainer, and a TrainingRuntime of the run with the whole pod.

The field of a TrainJob that changes the pod has another name in each of Trainer 2.0 to 2.2, and what a release does not
know is dropped. So the TrainJob only names the runtime, and the pair is valid for 2.0 to 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import jobs
from ftc.plan.jobs import gang, kueue_queue
from ftc.plan.kubernetes import metadata
from ftc.plan.made import DIGEST, KEPT
from ftc.plan.merge import merge
from ftc.plan.names import digest, without_contents
from ftc.plan.pod import renamed
from ftc.summary import types
from ftc.summary.types import Default, OfTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json

NAME = "trainjob"
_GROUP = "trainer.kubeflow.org"
_VERSION = f"{_GROUP}/v1alpha1"

MAIN = "node"
"""The container that Trainer treats as the one that trains (pkg/constants)."""
# Without this label, Trainer drops what users add to `spec.trainer` of the TrainJob.
_STEP = {f"{_GROUP}/trainjob-ancestor-step": "trainer"}


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of the JobSet that Trainer creates from the runtime."""
    return jobs.bind(run, NAME, "rendezvous_trainjob.sh")


def objects(run: BoundRun) -> list[Json]:
    """The runtime comes first, because Trainer's webhook rejects a TrainJob without one."""
    runtime = _runtime(run)
    job: Json = {
        "apiVersion": _VERSION,
        "kind": "TrainJob",
        "metadata": merge(metadata(run, None if run.generate_name else run.name), kueue_queue(run)),
        "spec": {
            "runtimeRef": {"apiGroup": _GROUP, "kind": "TrainingRuntime", "name": runtime["metadata"]["name"]},
            **({"suspend": True} if run.suspend else {}),
        },
    }
    return [runtime, job]


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    return OfTarget(
        jobs.master(run),
        "index 0",
        jobs.on_failure(run),
        tuple(_defaults(run)),
        ("LocalQueue", run.kueue_queue) if run.kueue_queue else None,
        gang=run.nodes == 1 or run.gang_jobs or run.kueue_queue is not None,
        name_seconds=jobs.NAME_SECONDS,
    )


def _defaults(run: BoundRun) -> Iterator[Default]:
    """The defaults of the API server; `torch` is one of Trainer (pkg/runtime/framework/plugins/torch)."""
    yield from types.of_job(run, f"{jobs.JOB}.template")
    yield Default("PET_NPROC_PER_NODE", "ignored: the launcher gets NPROC_PER_NODE from ftc")


def _runtime(run: BoundRun) -> Json:
    """The runtime; its name ends in a digest of it, so an identical run reuses it, and no other one does.

    The pod carries the spec, in which some keys change nothing of a run; the spec's own digest ignores these.
    """
    pod = renamed(run.pod, MAIN).content
    kept = {key: text for key, text in pod["metadata"].get("annotations", {}).items() if key != KEPT}
    bare = _of_pod(run, {**pod, "metadata": {**pod["metadata"], "annotations": kept}})
    name = f"{run.name}-{digest([bare, run.made_from.get(DIGEST)])}"
    return merge(_of_pod(run, pod), {"metadata": {"name": name}})


def _of_pod(run: BoundRun, pod: Json) -> Json:
    labels = {**without_contents(run.labels), f"{_GROUP}/framework": "torch"}
    return {
        "apiVersion": _VERSION,
        "kind": "TrainingRuntime",
        "metadata": {**metadata(run, run.name), "labels": labels},
        "spec": {
            "mlPolicy": {"numNodes": run.nodes, "torch": {}},
            **({"podGroupPolicy": {"volcano": {}}} if _has_pod_group(run) else {}),
            "template": {
                **_of_pod_group(run),
                "spec": jobs.jobset_spec(run, _of_job(run), pod),
            },
        },
    }


def _has_pod_group(run: RunPlan) -> bool:
    """Whether Trainer ≥2.1 creates the PodGroup; it requires all nodes, so an elastic run leaves this to Volcano."""
    return run.gang_jobs and run.min_nodes == run.nodes


def _of_pod_group(run: RunPlan) -> Json:
    """Trainer reads the queue from the annotations of the JobSet (pkg/runtime/framework/plugins/volcano)."""
    if not _has_pod_group(run):
        return {}
    return {"metadata": {"annotations": {"scheduling.volcano.sh/queue-name": run.queue}}}


def _of_job(run: RunPlan) -> Json:
    return {"labels": _STEP, **({} if _has_pod_group(run) else gang(run))}
