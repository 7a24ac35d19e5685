"""Rules on the names and the claims of a batch Job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.given import host_names
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec

_NAME_LIMIT = 63


def job_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of a Job, of its Service and of its pods' hosts have 63 characters at most.

    The Job controller copies the Job's name to a label of each pod and names the host of a pod `<job>-<index>`
    (Kubernetes, pkg/apis/batch/validation, pkg/controller/job): a longer name is refused when the Job is created.

    Wrong: nodes=2 name=a-name-that-is-as-long-as-the-api-server-lets-a-label-be-63-xxx
    Right: nodes=2 name=a-name-that-is-shorter
    """
    added = len(f"-{run.nodes - 1}") if run.nodes > 1 else 0
    name = run.fixed_name if run.nodes > 1 or not run.generate_name else run.object_name
    rest = len(name) - len(run.name) + added
    if len(run.name) + rest > _NAME_LIMIT:
        message = f"'{run.name}' has {len(run.name)} characters, and the names made of it {rest} more"
        yield Finding(("name",), message, f"use {_NAME_LIMIT - rest} characters at most: name=…")


def job_has_no_claim(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Several nodes of a batch Job cannot share a claim that lives with it.

    A Job makes no claims; a pod can (an ephemeral volume), and then each pod has one of its own.

    Wrong: nodes=2 storage=job-lifetime storage.workspace.access_mode=ReadWriteMany
    Right: nodes=2 storage=shared
    """
    if run.job_claim and run.nodes > 1:
        message = f"a batch Job has no claim of its own, and each of {run.nodes} pods would get another one"
        yield Finding(("storage", "workspace"), message, "use storage=shared with a claim that exists")


def retry_starts_empty(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that lives with a batch Job lives with its pod.

    Kubernetes deletes the claim of an ephemeral volume with the pod, so the pod that takes its place (a restart, or
    after an eviction) finds no checkpoint (Kubernetes, docs/concepts/storage/ephemeral-volumes).

    Wrong: storage=job-lifetime
    Right: storage=shared
    """
    if run.job_claim and run.nodes == 1:
        message = "is deleted with the pod in a batch Job: a retry starts empty, and the result goes with the Job"
        yield Finding(("storage", "workspace"), message, "use a claim that exists to resume: storage=existing-claim")


def name_is_fixed(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A Job of several nodes and its Service have one name, and both are deleted before a re-run.

    The pods find each other by the Service's name, so it cannot be generated; unless naming is fixed it ends with a
    digest of the spec. The Service outlives the Job: the same spec is created again only after both are deleted
    (`AlreadyExists`).

    Wrong: nodes=2
    Right: nodes=1
    """
    if run.nodes > 1:
        where = f" -n {run.namespace}" if run.namespace else ""
        name = run.fixed_name
        message = f"the Job and its Service are called {name}, because the pods find each other by that name"
        help_ = f"the Service outlives the Job: before a re-run, kubectl delete{where} job,service {name}"
        yield Finding(("nodes",), message, help_)


def index_gives_the_name(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The Job controller names the hosts of an Indexed Job's pods, and the Service their domain.

    With a host name or a subdomain of the user's the address of rank 0 leads nowhere, and every rank waits for it.

    Wrong: nodes=2 pod.spec.subdomain=ranks
    Right: nodes=1 pod.spec.subdomain=ranks
    """
    for path in host_names(spec) if run.nodes > 1 else ():
        yield Finding(path, "is given to each pod by the Job and its Service", "leave it out")


_COUNT_LIMIT = 2**31 - 1


def failures_are_countable(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pods that may fail are as many as Kubernetes can count.

    A batch Job counts each failed pod, so `backoffLimit` is the restarts times the nodes, and it is an int32
    (Kubernetes, batch/v1, JobSpec).

    Wrong: restarts=1073741824 nodes=4 hardware=h100
    Right: restarts=3 nodes=4 hardware=h100
    """
    if run.restarts * run.nodes > _COUNT_LIMIT:
        message = f"{run.restarts} restarts of {run.nodes} pods are more failures than a Job can count, {_COUNT_LIMIT}"
        yield Finding(("restarts",), message, f"use {_COUNT_LIMIT // run.nodes} at most", (("nodes",),))


RULES = (
    Rule("FTC571", job_name_fits, target="job", needed=True),
    Rule("FTC572", job_has_no_claim, target="job"),
    Rule("FTC573", retry_starts_empty, Severity.NOTE, target="job"),
    Rule("FTC574", name_is_fixed, Severity.NOTE, target="job"),
    Rule("FTC575", index_gives_the_name, target="job"),
    Rule("FTC585", failures_are_countable, target="job", needed=True),
)
