"""Rules on names: what must be unique, what must be short, and images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import KeyPath, Severity
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step
from ftc.lint.subjects import Job, Pod

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.lint.pod_manifest import Container

_LIMIT = 63
_GENERATED = 5


def names_are_unique(pod: Pod) -> Iterator[Finding]:
    """Two containers, volumes, ports or mounts of a pod do not share a name or a path.

    The API server refuses the pod (`Duplicate value`), and Volcano's webhook the job.
    Source: Kubernetes, pkg/apis/core/validation (ValidatePodTemplateSpec).

    Wrong: tests/corpus/bad/FTC820-two-containers-of-a-name.yaml
    Right: tests/corpus/good/FTC820-a-volume-called-like-a-container.yaml
    """
    spec = pod.spec
    containers: list[tuple[KeyPath, Container]] = [
        (("initContainers", i), container) for i, container in enumerate(spec.init_containers)
    ]
    containers += [(("containers", i), c) for i, c in enumerate(spec.containers)]
    lists: list[tuple[str, list[tuple[KeyPath, str]]]] = [
        ("container", [(path, container.name) for path, container in containers]),
        ("volume", [(("volumes", index), volume.name) for index, volume in enumerate(spec.volumes)]),
    ]
    for path, container in containers:
        lists.append(
            ("mount", [((*path, "volumeMounts", i), m.mount_path) for i, m in enumerate(container.volume_mounts)])
        )
        lists.append(("port", [((*path, "ports", i), port.name) for i, port in enumerate(container.ports)]))
    for what, entries in lists:
        for place, name, first in _twice(entries):
            yield Finding(pod.at(*place), f"there is a {what} '{name}' already", related=(pod.at(*first),))


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
        for place, name, first in _twice(entries):
            yield Finding(job.at(*place), f"there is a {what} '{name}' already", related=(job.at(*first),))


def _twice(entries: Iterable[tuple[KeyPath, str]]) -> Iterator[tuple[KeyPath, str, KeyPath]]:
    first: dict[str, KeyPath] = {}
    for place, name in entries:
        if name and name in first:
            yield place, name, first[name]
        first.setdefault(name, place)


def variables_are_given_once(step: Step) -> Iterator[Finding]:
    """A container gives a variable once.

    The API server takes two of a name, and the last counts.
    Source: Kubernetes, pkg/kubelet (makeEnvironmentVariables).

    Wrong: tests/corpus/bad/FTC821-variable-twice.yaml
    Right: tests/corpus/good/FTC821-variable-in-two-containers.yaml
    """
    entries: list[tuple[KeyPath, str]] = [(("env", i), variable.name) for i, variable in enumerate(step.container.env)]
    for place, name, first in _twice(entries):
        message = f"{name} is given already, and the last one counts"
        yield Finding(step.at(*place), message, "keep one of the two", related=(step.at(*first),))


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


_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{{32,}})?"
)
_LONGEST_IMAGE = 4096


def images_can_be_pulled(step: Step) -> Iterator[Finding]:
    """A container has an image, and its address is one.

    Without an image the API server refuses the pod; one that is not well formed stays in InvalidImageName.
    Source: Kubernetes, pkg/apis/core/validation; distribution's reference grammar.

    Wrong: tests/corpus/bad/FTC824-image-to-fill-in.yaml
    Right: tests/corpus/good/FTC824-image-by-digest.yaml
    """
    image = step.container.image
    if not image:
        if step.pod.raw(step.field, step.index, "image") in (None, ""):
            place = step.at("image") if step.pod.has(step.field, step.index, "image") else step.at()
            yield Finding(place, f"container '{step.container.name}' has no image")
    elif "$" not in image and (len(image) > _LONGEST_IMAGE or not _IMAGE.fullmatch(image)):
        shown = image if len(image) <= _LIMIT else f"{image[:_LIMIT]}…"
        yield Finding(step.at("image"), f"'{shown}' is no address of an image", "registry.example.com/team/image:1.0")


_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_PORT_NAME = 15
_PORTS = range(1, 65536)


def ports_are_ports(step: Step) -> Iterator[Finding]:
    """A port is a number from 1 to 65535, and its name a short one.

    The API server refuses the pod: must be between 1 and 65535; must be no more than 15 characters.
    Source: Kubernetes, pkg/apis/core/validation (validateContainerPorts).

    Wrong: tests/corpus/bad/FTC826-port-of-six-digits.yaml
    Right: tests/corpus/good/FTC826-port-without-a-name.yaml
    """
    for index, port in enumerate(step.container.ports):
        if port.container_port not in _PORTS and step.pod.has(step.field, step.index, "ports", index, "containerPort"):
            yield Finding(step.at("ports", index), f"{port.container_port} is no port", "use 1 to 65535")
        if port.name and not (_PORT_NAME.fullmatch(port.name) and len(port.name) <= _LONGEST_PORT_NAME):
            help_ = f"use {_LONGEST_PORT_NAME} lower-case letters, digits and '-' at most"
            yield Finding(step.at("ports", index), f"'{port.name}' is no name of a port", help_)


def variables_can_be_read(step: Step) -> Iterator[Finding]:
    """A variable has a name that a program can read.

    A shell passes over one with other characters than letters, digits and '_'; older clusters refuse some of them. A
    name in small letters with '-' or '.' is a program's own.
    Source: Kubernetes, relaxed environment variable validation (1.32); bash, names.

    Wrong: tests/corpus/bad/FTC827-variable-with-a-blank.yaml
    Right: tests/corpus/good/FTC827-variable-with-digits.yaml
    """
    for index, variable in enumerate(step.container.env):
        if variable.name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|[a-z][a-z0-9.-]*", variable.name):
            message = f"no shell reads a variable called '{variable.name}'"
            yield Finding(step.at("env", index), message, "use letters, digits and '_', not a digit first")


RULES = (
    Rule("FTC820", names_are_unique, Pod),
    Rule("FTC821", variables_are_given_once, Step, Severity.WARNING),
    Rule("FTC822", names_fit, Job),
    Rule("FTC823", templates_need_no_name, Job, Severity.NOTE),
    Rule("FTC824", images_can_be_pulled, Step),
    Rule("FTC825", task_names_are_unique, Job),
    Rule("FTC826", ports_are_ports, Step),
    Rule("FTC827", variables_can_be_read, Step, Severity.WARNING),
)
