"""Rules on the parts of a pod: names are unique, and settings do not contradict each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.objects import Object
from ftc.manifests.steps import Step
from ftc.manifests.subjects import Pod
from ftc.plan.merge import MERGE_KEYS, identity
from ftc.plan.names import CARRIED
from ftc.plan.pod import containers as containers_of
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import containers, metadata, pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.manifest import Container
    from ftc.manifests.objects import Mismatch
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


def no_duplicate_entry(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A fragment lists each container, volume, variable and mount only once.

    Fragments merge by these names, so a duplicate would silently change the first entry. Within one object the API
    server rejects it (`Duplicate value`).
    Source: Kubernetes, pkg/apis/core/validation.

    Wrong: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: a, hostPath: {path: /a}}]}}'
    Right: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /a}}]}}'
    """
    for path, pod in pods(spec):
        yield from _duplicates(path, pod, ("volumes", "initContainers", "containers"))
    given = list(containers(spec))
    inits = {container["name"] for path, container in given if path[-2] == "initContainers"}
    for place, container in given:
        yield from _duplicates(place, container, ("env", "volumeMounts", "ports"))
        if place[-2] == "containers" and container["name"] in inits:
            yield Finding(place, f"'{container['name']}' is also the name of an init container", "choose another name")


def _duplicates(path: KeyPath, owner: Json, fields: tuple[str, ...]) -> Iterator[Finding]:
    for field in fields:
        keys = MERGE_KEYS[field]
        seen: set[Any] = set()
        for index, item in enumerate(owner.get(field, [])):
            same = identity(item, keys)
            if same in seen:
                shown = "/".join(map(str, same))
                yield Finding((*path, field, index), f"'{shown}' is a duplicate", "delete one of the two")
            seen.add(same)


def no_reserved_annotation(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Annotations below `ftc.dev/` are reserved for the files of the run.

    The pod reads its scripts and the training YAML from these annotations. A value set by the user would replace a
    file.
    Source: ftc, which stores the files of a run in annotations of the pod.

    Wrong: 'annotations={ftc.dev/owner: me}'
    Right: 'annotations={example.com/owner: me}'
    """
    for path, given in metadata(spec, "annotations"):
        for key in [key for key in given if key.startswith(CARRIED)]:
            yield Finding((*path, key), "is in the prefix that ftc reserves for its files", "use another prefix")


def sidecars_end_with_training(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A sidecar ends when the training ends.

    A pod completes when all its containers have exited. A container that keeps running holds the devices, and the job
    never completes. The kubelet stops an init container with `restartPolicy: Always` (Kubernetes 1.29 and later).
    Source: Kubernetes, Sidecar Containers.

    Wrong: 'pod={spec: {containers: [{name: exporter, image: "example.com/exporter:1"}]}}'
    Right: 'pod={spec: {initContainers: [{name: exporter, image: "example.com/exporter:1", restartPolicy: Always}]}}'
    """
    for path, container in containers(spec):
        if path[-2] == "containers" and container["name"] != NAME and "image" in container:
            message = f"'{container['name']}' keeps the pod and its devices until it exits"
            yield Finding(path, message, "make it an init container with restartPolicy: Always")


def no_command_override(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The containers of ftc run the scripts of ftc.

    With another command, the nodes do not join, and the run does not resume, merge or publish. The checks on the
    training do not apply to it either.
    Source: ftc, whose scripts are the commands of these containers.

    Wrong: 'pod={spec: {containers: [{name: train, command: [python, train.py]}]}}'
    Right: launcher=command 'launcher.command=[python,train.py]'
    """
    ours = {step.name for step in run.steps}
    for path, container in containers(spec):
        for field in [field for field in ("command", "args") if field in container and container["name"] in ours]:
            help_ = "to run another program, set launcher=command" if container["name"] == NAME else "remove it"
            yield Finding((*path, field), f"replaces the command of ftc in {container['name']}", help_)


def tolerations_are_complete(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A toleration is complete and consistent.

    The API server rejects a value with the operator `Exists`, an empty key with any other operator, and
    `tolerationSeconds` with an effect other than `NoExecute`.
    Source: Kubernetes, pkg/apis/core/validation (ValidateTolerations).

    Wrong: 'pod={spec: {tolerations: [{key: gpu, operator: Exists, value: "yes"}]}}'
    Right: 'pod={spec: {tolerations: [{key: gpu, operator: Exists}]}}'
    """
    for path, pod in pods(spec):
        for index, toleration in enumerate(pod.get("tolerations", [])):
            if problem := _toleration_problem(toleration):
                yield Finding((*path, "tolerations", index), *problem)


def _toleration_problem(toleration: Json) -> tuple[str, str] | None:
    exists = toleration.get("operator") == "Exists"
    if exists and toleration.get("value"):
        return "the operator Exists does not take a value", "remove value, or set operator: Equal"
    if not toleration.get("key") and not exists:
        return "if key is empty, the operator must be Exists", "set key, or operator: Exists to tolerate every taint"
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        return "tolerationSeconds requires the effect NoExecute", "remove tolerationSeconds, or set effect: NoExecute"
    return None


_PORTS = range(1, 2**16)


_HANDLERS = frozenset(("exec", "grpc", "httpGet", "tcpSocket"))


def container_settings_are_consistent(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The ports, variables and probes of a container do not contradict each other.

    The API server rejects a port outside 1 to 65535, a hostPort that differs from the containerPort on the host
    network, a variable with both value and valueFrom, and a probe without exactly one handler. In a manifest FTC803
    reports the probe.
    Source: Kubernetes, pkg/apis/core/validation.

    Wrong: 'pod={spec: {containers: [{name: train, ports: [{containerPort: 70000}]}]}}'
    Right: 'pod={spec: {containers: [{name: train, ports: [{containerPort: 7000}]}]}}'
    """
    body = with_fragments(run)["spec"]
    whole = {container["name"]: container for container in containers_of(body)}
    on_node = bool(body.get("hostNetwork"))
    for path, container in containers(spec):
        for index, port in enumerate(container.get("ports", [])):
            yield from _port_findings((*path, "ports", index), port, on_node=on_node)
        for index, variable in enumerate(container.get("env", [])):
            if variable.get("value") and "valueFrom" in variable:
                yield Finding((*path, "env", index), *_two_values(variable["name"]))
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            if name in container and len(_HANDLERS & whole[container["name"]][name].keys()) != 1:
                help_ = f"set one of {', '.join(sorted(_HANDLERS))}"
                yield Finding((*path, name), "must have exactly one handler", help_)


def _two_values(variable: str) -> tuple[str, str]:
    return f"{variable} has both value and valueFrom", "remove one of the two"


def _port_findings(path: KeyPath, port: Json, *, on_node: bool) -> Iterator[Finding]:
    for field, problem in _port_problems(port["containerPort"], port.get("hostPort", 0), on_node=on_node):
        yield Finding((*path, field), *problem)


def _port_problems(inside: int, outside: int, *, on_node: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each mistake in the numbers of a port: the field, then message and help. 0 is not a port of the node."""
    for field, number in (("containerPort", inside), ("hostPort", outside)):
        if number not in _PORTS and (number or field == "containerPort"):
            yield field, (f"{number} is not a valid port", "use 1 to 65535")
    if on_node and outside not in (0, inside):
        message = f"is {outside}, but on the host network it must equal the containerPort, {inside}"
        yield "hostPort", (message, "remove it")


MAX_ANNOTATION_BYTES = 200 * 1024


def annotations_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The annotations of the pod stay below the API server's limit.

    The API server accepts 256 KiB of annotations per object. The files that ftc writes are stored in annotations and
    count towards the limit.
    Source: Kubernetes, pkg/apis/core/validation (TotalAnnotationSizeLimitB).

    Wrong: "annotations.a=$(printf a%0110000d)" "annotations.b=$(printf a%0110000d)"
    Right: annotations.a=short
    """
    annotations = with_fragments(run)["metadata"].get("annotations", {})
    size = sum(len(k) + len(v.encode()) for k, v in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        message = f"the annotations of the pod, with the files, take {size} of {MAX_ANNOTATION_BYTES} bytes"
        theirs = sum(len(value.encode()) for value in spec.annotations.values())
        path = ("annotations",) if theirs > size // 2 else ("train",)
        yield Finding(path, message, "shorten dataset.info, the arguments or the annotations")


# Rules on manifests.


def tolerations_are_complete_in_manifests(manifest: Object) -> Iterator[Finding]:
    """The tolerations in an object are complete and consistent, as its schema says."""
    places = (toleration_of(mismatch, manifest) for mismatch in manifest.mismatches)
    for place in dict.fromkeys(place for place in places if place is not None):
        if problem := _toleration_problem(manifest.raw(*place)):
            yield Finding(manifest.at(*place), *problem)


def toleration_of(mismatch: Mismatch, manifest: Object) -> KeyPath | None:
    """The path of the toleration if a violation of the schema is that its fields contradict each other."""
    if mismatch.validator not in ("const", "maxLength", "required") or "tolerations" not in mismatch.path[:-1]:
        return None
    place = mismatch.path[: mismatch.path.index("tolerations") + 2]
    item = manifest.raw(*place)
    return place if isinstance(item, dict) and _toleration_problem(item) else None


def names_are_unique(pod: Pod) -> Iterator[Finding]:
    """Containers, volumes, ports and mounts of a pod have unique names or paths.

    The API server rejects the pod (`Duplicate value`), and Volcano's webhook rejects the job.
    Source: Kubernetes, pkg/apis/core/validation (ValidatePodTemplateSpec).

    Wrong: tests/corpus/bad/FTC820-duplicate-container-name.yaml
    Right: tests/corpus/good/FTC820-volume-named-like-a-container.yaml
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
        for place, name, first in duplicates(entries):
            yield Finding(pod.at(*place), f"the {what} '{name}' is a duplicate", related=(pod.at(*first),))


def duplicates(entries: Iterable[tuple[KeyPath, str]]) -> Iterator[tuple[KeyPath, str, KeyPath]]:
    """The entries whose name occurred before, each with the place of the first."""
    first: dict[str, KeyPath] = {}
    for place, name in entries:
        if name and name in first:
            yield place, name, first[name]
        first.setdefault(name, place)


_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?")


_LONGEST_PORT_NAME = 15


def container_settings_are_consistent_in_manifests(step: Step) -> Iterator[Finding]:
    """The ports and variables of a container in a manifest do not contradict each other; the schema checks the rest."""
    on_node = step.pod.raw("hostNetwork") is True
    for index, port in enumerate(step.container.ports):
        if isinstance(step.pod.raw(step.field, step.index, "ports", index, "containerPort"), int):
            outside = port.host_port if port.host_port in _PORTS else 0
            for field, problem in _port_problems(port.container_port, outside, on_node=on_node):
                yield Finding(step.at("ports", index, field), *problem)
    for index, variable in enumerate(step.container.env):
        if variable.value and variable.value_from is not None:
            yield Finding(step.at("env", index), *_two_values(variable.name))


def ports_have_valid_names(step: Step) -> Iterator[Finding]:
    """A port has a valid name, or does not have one.

    The API server rejects names with more than 15 characters, and other characters than lower-case letters, digits and
    '-'.
    Source: Kubernetes, pkg/apis/core/validation (validateContainerPorts).

    Wrong: tests/corpus/bad/FTC826-port-with-a-long-name.yaml
    Right: tests/corpus/good/FTC826-port-without-a-name.yaml
    """
    for index, port in enumerate(step.container.ports):
        if port.name and not (_PORT_NAME.fullmatch(port.name) and len(port.name) <= _LONGEST_PORT_NAME):
            help_ = f"use at most {_LONGEST_PORT_NAME} lower-case letters, digits and '-'"
            yield Finding(step.at("ports", index), f"'{port.name}' is not a valid port name", help_)


RULES = (
    Rule("FTC522", "duplicate-entry-in-fragment", no_duplicate_entry, JobSpec),
    Rule(
        "FTC523",
        "incomplete-toleration",
        tolerations_are_complete,
        JobSpec,
        in_manifests=(tolerations_are_complete_in_manifests, Object),
    ),
    Rule("FTC524", "reserved-annotation", no_reserved_annotation, JobSpec),
    Rule("FTC525", "sidecar-outlives-training", sidecars_end_with_training, JobSpec, Severity.WARNING),
    Rule("FTC526", "no-command-override", no_command_override, JobSpec, Severity.WARNING),
    Rule(
        "FTC528",
        "contradictory-container-settings",
        container_settings_are_consistent,
        JobSpec,
        in_manifests=(container_settings_are_consistent_in_manifests, Step),
    ),
    Rule("FTC504", "annotations-too-large", annotations_fit, JobSpec),
    Rule("FTC820", "duplicate-name-in-pod", names_are_unique, Pod),
    Rule("FTC826", "invalid-container-port", ports_have_valid_names, Step),
)
