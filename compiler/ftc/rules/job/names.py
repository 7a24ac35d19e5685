"""Rules on the names of a job, and of its tasks, pods and hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.objects import Kind
from ftc.manifests.subjects import Job
from ftc.rules.given import fragments, host_names
from ftc.rules.pod.contents import duplicates
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.plan.types import RunPlan

# Rules on a spec.


_POD_NAME_LIMIT = 63


def pod_name_fits(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The names of the pods have 63 characters at most.

    Volcano names a pod `<job>-worker-<index>` and makes that its host name. The volume of the job's own claim is called
    `<job>-<12 characters>` (pkg/controllers/job/job_controller_util.go).

    Wrong: name=a-name-that-is-much-too-long-for-the-name-of-a-pod
    Right: name=a-name-that-is-short-enough
    """
    added = max(len(f"-worker-{run.nodes - 1}"), len("-") + 12 if run.job_claim else 0)
    rest = len(run.object_name) - len(run.name) + added
    if len(run.name) + rest > _POD_NAME_LIMIT:
        message = f"'{run.name}' has {len(run.name)} characters, and the names of the pods add {rest}"
        yield Finding(("name",), message, f"use {_POD_NAME_LIMIT - rest} characters at most: name=…")


def names_stay(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Volcano names the hosts.

    Its svc plugin gives the names that ranks find each other by. With a host name in the template its host list has one
    entry (pkg/controllers/job/plugins/svc).

    Wrong: nodes=2 'pod={spec: {hostname: node}}'
    Right: nodes=2
    """
    for path in host_names(spec) if spec.nodes > 1 else ():
        yield Finding(path, "is given to each pod by Volcano", "leave it out", (("nodes",),))


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


# Volcano 1.9 to 1.15, pkg/controllers/job/job_controller_util.go (createJobPod).
_VOLCANO = frozenset(
    f"volcano.sh/{name}"
    for name in (
        *("task-index", "task-spec", "job-name", "job-namespace", "queue-name"),
        *("job-version", "job-retry-count", "template-uid"),
    )
) | {"scheduling.k8s.io/group-name"}


def volcano_names_the_pods(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Names, labels and annotations that Volcano gives to a pod are its own.

    Its controller writes them over those of the template (pkg/controllers/job/job_controller_util.go, createJobPod):
    the pod is called `<job>-worker-<index>`, in the namespace of the job.

    Wrong: 'labels={volcano.sh/queue-name: team-a}'
    Right: cluster.queue=team-a
    """
    for path, given in _metadata(spec):
        for key in [key for key in given if key in _VOLCANO]:
            yield Finding((*path, key), "is overwritten by Volcano in each pod", "leave it out")
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


_LIMIT = 63


_GENERATED = 5


def task_names_are_unique(job: Job) -> Iterator[Finding]:
    """Two tasks of a job do not share a name, nor two of its volumes a path.

    Volcano's webhook refuses the job: duplicated task name; duplicated mountPath.
    Source: Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go.

    Wrong: tests/corpus/bad/FTC825-two-tasks-of-a-name.yaml
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
            yield Finding(job.at(*place), f"there is a {what} '{name}' already", related=(job.at(*first),))


def names_fit(job: Job) -> Iterator[Finding]:
    """A job has a name that its Service and its pods can bear.

    Volcano's svc plugin makes a Service of the job's name: a letter first, no dots, 63 characters. Pods are called
    `<job>-<task>-<index>`, and that is their host name too. Too long a name leaves the job pending (PluginError).
    Source: Volcano, pkg/controllers/job/plugins/svc; issues 4691, 721.

    Wrong: tests/corpus/bad/FTC822-name-with-a-dot.yaml
    Right: tests/corpus/good/FTC822-name-of-sixty-three.yaml
    """
    name, prefix = job.metadata.name, job.metadata.generate_name
    if job.kind is Kind.POD:
        return
    if not name and not prefix:
        if not job.object.has("metadata", "name"):
            yield Finding(job.at("metadata"), "the job has no name", "add name: … or generateName: …-")
        return
    place = job.at("metadata", "name" if name else "generateName")
    given = name or prefix.rstrip("-.") or "x"
    label = "svc" in job.plugins or job.batch is not None
    form = r"[a-z]([-a-z0-9]*[a-z0-9])?" if "svc" in job.plugins else r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
    if not re.fullmatch(form, given):
        first = ", a letter first" if "svc" in job.plugins else ""
        yield Finding(place, f"'{name or prefix}' is no name", f"use lower-case letters, digits and '-'{first}")
        return
    length = len(name) if name else min(len(prefix), _LIMIT - _GENERATED) + _GENERATED
    if label and length > _LIMIT:
        yield Finding(place, f"the name has {length} characters", f"use {_LIMIT} at most")
    yield from _pod_names(job, length)


def _pod_names(job: Job, length: int) -> Iterator[Finding]:
    for crew in job.crews if job.volcano is not None else ():
        last = f"-{crew.name}-{max((crew.replicas or 1) - 1, 0)}"
        if length + len(last) > _LIMIT:
            where = job.at("metadata", "name" if job.metadata.name else "generateName")
            message = f"the name has {length} characters, and its pods add '{last}': {_LIMIT} are allowed in all"
            yield Finding(where, message, f"use {_LIMIT - len(last)} at most")


def templates_need_no_name(job: Job) -> Iterator[Finding]:
    """A task's template has no name of its own.

    Volcano writes the task's name over it.
    Source: Volcano, pkg/controllers/job/job_controller_util.go (createJobPod).

    Wrong: tests/corpus/bad/FTC823-template-with-a-name.yaml
    Right: tests/corpus/good/FTC823-template-with-labels.yaml
    """
    for crew in job.crews if job.volcano is not None else ():
        if crew.template.metadata.name:
            yield Finding(job.at(*crew.path, "metadata", "name"), "Volcano does not read it", "leave it out")


RULES = (
    Rule("FTC501", "pod-name-too-long", pod_name_fits, JobSpec, target="volcano"),
    Rule("FTC508", "no-manual-hostname", names_stay, JobSpec, target="volcano"),
    Rule("FTC571", "job-name-too-long", job_name_fits, JobSpec, target="job", needed=True),
    Rule("FTC641", "metadata-overwritten-by-volcano", volcano_names_the_pods, JobSpec, Severity.NOTE, target="volcano"),
    Rule("FTC822", "name-too-long-for-pods", names_fit, Job),
    Rule("FTC823", "task-template-has-name", templates_need_no_name, Job, Severity.NOTE),
    Rule("FTC825", "duplicate-task-name", task_names_are_unique, Job),
)
