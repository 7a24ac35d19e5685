"""Rules on the names of a job, and of its tasks, pods and hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.objects import Kind
from ftc.manifests.subjects import Job
from ftc.plan import jobs
from ftc.plan.kubernetes import GROUP_NAME
from ftc.plan.names import end_of_point
from ftc.rules.given import fragments, host_names
from ftc.rules.pod.contents import duplicates
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.manifests.text import Spot
    from ftc.plan.types import RunPlan

# Rules on a spec.


_LIMIT = 63


def _fits(run: RunPlan, longest: int, derived: str) -> Iterator[Finding]:
    """Report the name as the user writes it, without the digest of a matrix, if a derived one is too long."""
    in_matrix = len(end_of_point(run.origin.varied)) if run.origin else 0
    length = len(run.name) - in_matrix
    if longest > _LIMIT:
        added = f"the digest of its place in the matrix and {derived}" if in_matrix else derived
        message, help_ = _too_long(run.name[:length], longest - length, added)
        yield Finding(("name",), message, f"{help_}: name=…")


def _too_long(name: str, more: int, added: str) -> tuple[str, str]:
    """The message and the help for a name to which a number of characters is added."""
    rest = f"{added} add {more}" if more else f"a name has at most {_LIMIT}"
    return f"'{name}' has {len(name)} characters, and {rest}", f"use at most {_LIMIT - more} characters"


def pod_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod name has at most 63 characters.

    Volcano names a pod `<job>-<task>-<index>` and uses this name as its host name. With a longer one the job stays
    pending. In the jobs of ftc the task is `worker`, and the volume of the job's claim is named
    `<job>-<12 characters>`.
    Source: Volcano, pkg/controllers/job/job_controller_util.go; issues 4691, 721.

    Wrong: name=a-name-that-is-much-too-long-for-the-name-of-a-pod
    Right: name=a-name-that-is-short-enough
    """
    added = max(len(f"-worker-{run.nodes - 1}"), len("-") + 12 if run.job_claim else 0)
    yield from _fits(run, len(run.object_name) + added, "the pod names")


def no_manual_hostname(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Volcano sets the host names of the pods.

    The ranks find each other by the names that the svc plugin sets. With a host name in the template the host list has
    only one entry.
    Source: Volcano, pkg/controllers/job/plugins/svc.

    Wrong: nodes=2 'pod={spec: {hostname: node}}'
    Right: nodes=2
    """
    for path in host_names(spec) if spec.nodes > 1 else ():
        yield Finding(path, "is set for each pod by Volcano", "remove it", (("nodes",),))


def job_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of a Job, its Service and the hosts of its pods have at most 63 characters.

    The Job controller copies the name of the Job to a label of each pod, and sets the host name of a pod with an index
    to `<job>-<index>`. The API server rejects a longer name.
    Source: Kubernetes, pkg/apis/batch/validation, pkg/controller/job.

    Wrong: nodes=2 naming=fixed name=a-name-that-is-as-long-as-the-api-server-lets-a-label-be-63-xxx
    Right: nodes=2 naming=fixed name=a-name-that-is-shorter
    """
    added = len(f"-{run.nodes - 1}") if run.nodes > 1 else 0
    name = run.fixed_name if run.nodes > 1 or not run.generate_name else run.object_name
    yield from _fits(run, len(name) + added, "the derived names")


def jobset_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod name in a JobSet has at most 63 characters.

    A TrainJob has a JobSet of the same name. JobSet names a pod `<jobset>-<replicated job>-<job index>-<index>`, and
    the Job controller adds a dash and five characters. In the jobs of ftc the replicated job is `node`. The webhook
    rejects a longer name (`pod names generated for this JobSet will exceed 63 characters`).
    Source: JobSet, pkg/webhooks/jobset_webhook.go.

    Wrong: name=a-name-that-is-much-too-long-for-the-name-of-a-pod
    Right: name=a-name-that-is-short-enough
    """
    yield from _fits(run, len(run.object_name) + len(f"-{jobs.JOB}-0-{run.nodes - 1}-xxxxx"), "the pod names")


# Volcano 1.9 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).
_SET_BY_VOLCANO = frozenset(
    f"volcano.sh/{name}"
    for name in (
        *("task-index", "task-spec", "job-name", "job-namespace", "queue-name"),
        *("job-version", "job-retry-count", "template-uid"),
    )
) | {GROUP_NAME}


def no_overwritten_metadata(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Fragments do not set names, labels and annotations that Volcano sets.

    The controller overwrites those of the template: the pod is named `<job>-worker-<index>` and is in the namespace of
    the job.
    Source: Volcano 1.9 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: 'labels={volcano.sh/queue-name: team-a}'
    Right: cluster.queue=team-a
    """
    for path, given in _metadata(spec):
        for key in [key for key in given if key in _SET_BY_VOLCANO]:
            yield Finding((*path, key), "is overwritten by Volcano in each pod", "remove it")
    for place, fragment in fragments(spec):
        for key in [key for key in ("name", "generateName", "namespace") if key in fragment.get("metadata", {})]:
            help_ = "set namespace" if key == "namespace" else "set name"
            yield Finding((*place, "metadata", key), "is overwritten by Volcano in each pod", help_)


def _metadata(spec: JobSpec) -> Iterator[tuple[KeyPath, Mapping[str, str]]]:
    yield ("labels",), spec.labels
    yield ("hardware", "labels"), spec.hardware.labels
    yield ("annotations",), spec.annotations
    for path, fragment in fragments(spec):
        for field in ("labels", "annotations"):
            yield (*path, "metadata", field), fragment.get("metadata", {}).get(field, {})


# Rules on manifests.


_GENERATED = 5


# The feature gate RelaxedServiceNameValidation is on from this version of Kubernetes on.
_DIGIT_FIRST = (1, 36)


def task_names_are_unique(job: Job) -> Iterator[Finding]:
    """The tasks of a job have unique names, and its volumes have unique mount paths.

    Volcano's webhook rejects the job: `duplicated task name`, `duplicated mountPath`.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC825-duplicate-task-name.yaml
    Right: tests/corpus/good/FTC825-two-tasks.yaml
    """
    if job.volcano is None:
        return
    tasks: list[tuple[KeyPath, str]] = [
        (("spec", "tasks", index, "name"), crew.name) for index, crew in enumerate(job.crews)
    ]
    volumes: list[tuple[KeyPath, str]] = [
        (("spec", "volumes", index, "mountPath"), volume.mount_path) for index, volume in enumerate(job.volcano.volumes)
    ]
    for what, entries in (("task", tasks), ("volume at", volumes)):
        for place, name, first in duplicates(entries):
            yield Finding(job.at(*place), f"the {what} '{name}' is a duplicate", related=(job.at(*first),))


def name_suits_pods_and_service(job: Job) -> Iterator[Finding]:
    """The name of a job is valid for its Service and its pods.

    Volcano's svc plugin creates a Service with the name of the job, which has no dots and before Kubernetes 1.36 begins
    with a letter. If a name is invalid, the job stays pending (PluginError). The webhook of JobSet rejects a name that
    does not begin with a letter.
    Source: Volcano, pkg/controllers/job/plugins/svc; Kubernetes, RelaxedServiceNameValidation; JobSet,
    pkg/webhooks/jobset_webhook.go.

    Wrong: tests/corpus/bad/FTC822-name-with-a-dot.yaml
    Right: tests/corpus/good/FTC822-name-with-a-dash.yaml
    """
    name, prefix = job.metadata.name, job.metadata.generate_name
    if job.kind is Kind.POD:
        return
    if not name and not prefix:
        if not job.object.has("metadata", "name"):
            yield Finding(job.at("metadata"), "the job does not have a name", "add name: … or generateName: …-")
        return
    service = "svc" in job.plugins or job.job_set is not None
    old = tuple(map(int, job.object.versions.kubernetes.split("."))) < _DIGIT_FIRST
    letter_first = service and (old or job.job_set is not None)
    begins = "[a-z]" if letter_first else "[a-z0-9]"
    form = rf"{begins}([-a-z0-9]*[a-z0-9])?" if service else r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
    if not re.fullmatch(form, _given(job)):
        first = ", beginning with a letter" if letter_first else ""
        help_ = f"use lower-case letters, digits and '-'{first}"
        yield Finding(_place(job), f"'{name or prefix}' is not a valid name", help_)


def _given(job: Job) -> str:
    """The name, or the prefix of a generated one, as the user thinks of it."""
    return job.metadata.name or job.metadata.generate_name.rstrip("-.") or "x"


def _place(job: Job) -> Spot:
    return job.at("metadata", "name" if job.metadata.name else "generateName")


def pod_name_fits_in_manifests(job: Job) -> Iterator[Finding]:
    """The names of the pods of a VolcanoJob, and of the Service of its svc plugin, fit."""
    if job.volcano is not None:
        endings = [f"-{crew.name}-{max((crew.replicas or 1) - 1, 0)}" for crew in job.crews]
        yield from _fits_with(job, max(endings, key=len, default=""), "the pod names")


def job_name_fits_in_manifests(job: Job) -> Iterator[Finding]:
    """The names of a Job and of the hosts of its pods fit."""
    if job.batch is not None:
        indexed = job.batch.completion_mode == "Indexed" and job.batch.completions
        yield from _fits_with(job, f"-{indexed - 1}" if indexed else "", "the derived names")


def jobset_name_fits_in_manifests(job: Job) -> Iterator[Finding]:
    """The names of the pods of a JobSet or of a TrainJob fit."""
    if job.job_set is None:
        return
    endings = []
    for one in job.job_set.replicated_jobs if job.whole else ():
        last, spec = f"-{one.name}-{max(one.replicas - 1, 0)}", one.template.spec
        indexed = spec.completions is not None and spec.completion_mode == "Indexed"
        endings.append(f"{last}-{max((spec.completions or 1) - 1, 0)}-abcde" if indexed else last)
    yield from _fits_with(job, max(endings, key=len, default=""), "the pod names")


def _fits_with(job: Job, ending: str, derived: str) -> Iterator[Finding]:
    """Report the name of a job if it is too long with what the longest name of a pod adds to it."""
    name, prefix, given = job.metadata.name, job.metadata.generate_name, _given(job)
    # The server cuts the prefix of a generated name.
    made = len(name) if name else min(len(prefix), _LIMIT - _GENERATED) + _GENERATED
    if (name or prefix) and made + len(ending) > _LIMIT:
        more = len(ending) if name else len(prefix) - len(given) + _GENERATED + len(ending)
        yield Finding(_place(job), *_too_long(given, more, derived))


def no_task_template_name(job: Job) -> Iterator[Finding]:
    """The template of a task does not have a name.

    Volcano overwrites it with the name of the task.
    Source: Volcano, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC823-template-with-a-name.yaml
    Right: tests/corpus/good/FTC823-template-with-labels.yaml
    """
    for crew in job.crews if job.volcano is not None else ():
        if crew.template.metadata.name:
            yield Finding(job.at(*crew.path, "metadata", "name"), "Volcano overwrites it", "remove it")


RULES = (
    Rule(
        "FTC501",
        "pod-name-too-long",
        pod_name_fits,
        JobSpec,
        target="volcano",
        in_manifests=(pod_name_fits_in_manifests, Job),
    ),
    Rule("FTC508", "no-manual-hostname", no_manual_hostname, JobSpec, target="volcano"),
    Rule(
        "FTC571",
        "job-name-too-long",
        job_name_fits,
        JobSpec,
        target="job",
        needed=True,
        in_manifests=(job_name_fits_in_manifests, Job),
    ),
    Rule(
        "FTC591",
        "jobset-name-too-long",
        jobset_name_fits,
        JobSpec,
        target=("jobset", "trainjob"),
        needed=True,
        in_manifests=(jobset_name_fits_in_manifests, Job),
    ),
    Rule(
        "FTC641", "metadata-overwritten-by-volcano", no_overwritten_metadata, JobSpec, Severity.NOTE, target="volcano"
    ),
    Rule("FTC822", "invalid-job-name", name_suits_pods_and_service, Job),
    Rule("FTC823", "task-template-has-name", no_task_template_name, Job, Severity.NOTE),
    Rule("FTC825", "duplicate-task-name", task_names_are_unique, Job),
)
