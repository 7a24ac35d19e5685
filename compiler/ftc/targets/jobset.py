"""A JobSet with the pod: one Indexed Job, whose pods restart together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import pod
from ftc.plan.jobs import from_field, kueue_queue, own_claim, scheduling, volcano_queue
from ftc.plan.jobset import JOB, jobset_spec, on_failure
from ftc.plan.kubernetes import lifetime, metadata
from ftc.plan.merge import merge
from ftc.plan.pod import main_containers, train_container
from ftc.summary import defaults
from ftc.summary.types import OfTarget

if TYPE_CHECKING:
    from ftc.plan.types import BoundRun, RunPlan
    from ftc.spec.base import Json

NAME = "jobset"
# JobSet's controller sets both on every pod (pkg/controllers/jobset_controller.go, labelAndAnnotateObject).
_NAME = "metadata.labels['jobset.sigs.k8s.io/jobset-name']"
_UID = "metadata.labels['jobset.sigs.k8s.io/jobset-uid']"

_NAME_SECONDS = 7200  # scripts/rendezvous_jobset.sh


def bind(run: RunPlan) -> BoundRun:
    """The run with the pod of a JobSet."""
    rendezvous = "rendezvous_jobset.sh" if run.nodes > 1 else "rendezvous_single.sh"
    spec = {"spec": scheduling(run), **volcano_queue(run)}
    own = merge(merge(main_containers(run, env=_name_variables(run)), spec), train_container(env=_master(run)))
    return pod.bind(run, NAME, rendezvous, merge(own, own_claim(run, run.job_claim)) if run.job_claim else own)


def objects(run: BoundRun) -> list[Json]:
    """The JobSet; its controller creates the headless Service by which the pods find each other."""
    name = None if run.generate_name else run.name
    jobset: Json = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": merge(metadata(run, name), kueue_queue(run)),
        "spec": {**({"suspend": True} if run.suspend else {}), **lifetime(run), **jobset_spec(run, {})},
    }
    return [jobset]


def summary(run: BoundRun) -> OfTarget:
    """The summary's part that depends on the target."""
    name = run.object_name
    queue = ("LocalQueue", run.kueue_queue) if run.kueue_queue else None
    gang = run.nodes == 1 or run.gang_jobs or run.kueue_queue is not None
    missing = tuple(defaults.of_job(run, f"{JOB}.template"))
    return OfTarget(f"{name}-{JOB}-0-0.{name}", "index 0", on_failure(run), missing, queue, gang, _NAME_SECONDS)


def _name_variables(run: RunPlan) -> list[Json]:
    """JOB_NAME: the next JobSet may reuse a fixed name, so the JobSet's UID is appended."""
    if run.generate_name:
        return [from_field("JOB_NAME", _NAME)]
    return [from_field("JOB_UID", _UID), {"name": "JOB_NAME", "value": f"{run.name}-$(JOB_UID)"}]


def _master(run: RunPlan) -> list[Json]:
    """The host name of pod 0 in the domain of the JobSet's Service, which has the name of the JobSet."""
    if run.nodes == 1:
        return []
    address = {"name": "MASTER_ADDR", "value": f"$(JOBSET_NAME)-{JOB}-0-0.$(JOBSET_NAME)"}
    return [from_field("JOBSET_NAME", _NAME), address]
