"""Rules on the parts of a pod: no two share a name, and they do not contradict each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.steps import Step
from ftc.manifests.subjects import Pod
from ftc.plan.merge import MERGE_KEYS, identity
from ftc.plan.pod import CARRIED, with_fragments
from ftc.plan.pod import containers as containers_of
from ftc.plan.train import NAME
from ftc.rules.given import containers, metadata, pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.manifests.manifest import Container
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


def pieces_stand_once(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A fragment names each container, volume, variable and mount once.

    Fragments merge by these names, so the second would change the first without a word; in one object the API server
    refuses them (`Duplicate value`).

    Wrong: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: a, hostPath: {path: /a}}]}}'
    Right: 'pod={spec: {volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /a}}]}}'
    """
    for path, pod in pods(spec):
        yield from _repeated(path, pod, ("volumes", "initContainers", "containers"))
    given = list(containers(spec))
    inits = {container["name"] for path, container in given if path[-2] == "initContainers"}
    for place, container in given:
        yield from _repeated(place, container, ("env", "volumeMounts", "ports"))
        if place[-2] == "containers" and container["name"] in inits:
            yield Finding(place, f"'{container['name']}' is an init container too", "choose another name")


def _repeated(path: KeyPath, owner: Json, fields: tuple[str, ...]) -> Iterator[Finding]:
    for field in fields:
        keys = MERGE_KEYS[field]
        seen: set[Any] = set()
        for index, item in enumerate(owner.get(field, [])):
            same = identity(item, keys)
            if same in seen:
                shown = "/".join(map(str, same))
                yield Finding((*path, field, index), f"'{shown}' is there already", "delete one of the two")
            seen.add(same)


def own_annotations_stay(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Annotations below `ftc.dev/` carry the files of the run.

    The pod reads its scripts and the training YAML from them; a value of the user's would take the place of a file.

    Wrong: 'annotations={ftc.dev/owner: me}'
    Right: 'annotations={example.com/owner: me}'
    """
    for path, given in metadata(spec, "annotations"):
        for key in [key for key in given if key.startswith(CARRIED)]:
            yield Finding((*path, key), "is a name of ftc's own files", "choose another prefix")


def helpers_end(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A helper beside the training ends with it.

    A pod is done when all its containers are: one that runs on keeps the devices, and the job never completes. An init
    container with `restartPolicy: Always` is ended by the kubelet (Kubernetes 1.29 and later, sidecar containers).

    Wrong: 'pod={spec: {containers: [{name: exporter, image: "example.com/exporter:1"}]}}'
    Right: 'pod={spec: {initContainers: [{name: exporter, image: "example.com/exporter:1", restartPolicy: Always}]}}'
    """
    for path, container in containers(spec):
        if path[-2] == "containers" and container["name"] != NAME and "image" in container:
            message = f"'{container['name']}' keeps the pod and its devices as long as it runs"
            yield Finding(path, message, "make it an init container with restartPolicy: Always")


def steps_run_what_ftc_wrote(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The containers of ftc run its scripts.

    With another command nothing joins the nodes, resumes, merges or publishes, and what was checked here does not hold.

    Wrong: 'pod={spec: {containers: [{name: train, command: [python, train.py]}]}}'
    Right: launcher=command 'launcher.command=[python,train.py]'
    """
    ours = {step.name for step in run.steps}
    for path, container in containers(spec):
        for field in [field for field in ("command", "args") if field in container and container["name"] in ours]:
            help_ = "for a program of your own use launcher=command" if container["name"] == NAME else "leave it out"
            yield Finding((*path, field), f"takes the place of what ftc runs in {container['name']}", help_)


def tolerations_are_whole(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A toleration says what it tolerates.

    The API server refuses a value beside `Exists`, no key beside another operator, and a time beside another effect
    than `NoExecute` (pkg/apis/core/validation, ValidateTolerations).

    Wrong: 'pod={spec: {tolerations: [{key: gpu, operator: Exists, value: "yes"}]}}'
    Right: 'pod={spec: {tolerations: [{key: gpu, operator: Exists}]}}'
    """
    for path, pod in pods(spec):
        for index, toleration in enumerate(pod.get("tolerations", [])):
            if message := _toleration_problem(toleration):
                yield Finding((*path, "tolerations", index), message, "see `kubectl explain pod.spec`")


def _toleration_problem(toleration: Json) -> str:
    exists = toleration.get("operator") == "Exists"
    if exists and toleration.get("value"):
        return "Exists asks for no value"
    if not toleration.get("key") and not exists:
        return "without a key the operator must be Exists"
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        return "tolerationSeconds goes with the effect NoExecute only"
    return ""


_PORTS = range(1, 2**16)


_HANDLERS = frozenset(("exec", "grpc", "httpGet", "tcpSocket"))


def containers_agree(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A port, a variable and a probe of a fragment say one thing.

    The API server refuses a port outside 1 to 65535, on the network of the node a hostPort that is not the
    containerPort, a variable with a value from two places, and a probe that does not say how to ask (Kubernetes,
    pkg/apis/core/validation).

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
                message = f"{variable['name']} has a value and a valueFrom"
                yield Finding((*path, "env", index), message, "leave one of the two out")
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            if name in container and len(_HANDLERS & whole[container["name"]][name].keys()) != 1:
                help_ = f"give one of {', '.join(sorted(_HANDLERS))}"
                yield Finding((*path, name), "does not ask in one way", help_)


def _port_findings(path: KeyPath, port: Json, *, on_node: bool) -> Iterator[Finding]:
    inside, outside = port["containerPort"], port.get("hostPort") or None
    for field, number in (("containerPort", inside), ("hostPort", outside)):
        if number is not None and number not in _PORTS:
            yield Finding((*path, field), f"{number} is no port", "use 1 to 65535")
    if on_node and outside not in (None, inside):
        message = f"is {outside}, and on the network of the node it must be the containerPort, {inside}"
        yield Finding((*path, "hostPort"), message, "leave it out")


def pods_agree(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The pod is of one kind: its volumes, its user and its place on the node.

    The API server refuses a volume of two kinds, a user namespace for a pod in one of the node's, and a sysctl of a
    namespace that is the node's (Kubernetes, pkg/apis/core/validation); the kubelet never starts a container that must
    not be root and is user 0 (pkg/kubelet/kuberuntime, verifyRunAsNonRoot).

    Wrong: 'pod={spec: {hostUsers: false, hostNetwork: true}}'
    Right: 'pod={spec: {hostUsers: false}}'
    """
    body = with_fragments(run)["spec"]
    volumes = {volume["name"]: volume.keys() - {"name"} for volume in body.get("volumes", [])}
    shared = [field for field in ("hostNetwork", "hostPID", "hostIPC") if body.get(field)]
    for path, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            if len(kinds := volumes[volume["name"]]) > 1:
                message = f"'{volume['name']}' is of two kinds: {', '.join(sorted(kinds))}"
                yield Finding((*path, "volumes", index), message, "leave one out, or choose another name")
        if body.get("hostUsers") is False and "hostUsers" in pod and shared:
            yield Finding((*path, "hostUsers"), f"false does not go with {', '.join(shared)}", "leave it out")
        for index, sysctl in enumerate(pod.get("securityContext", {}).get("sysctls", [])):
            if (field := _namespace(sysctl["name"])) in shared:
                message = f"{sysctl['name']} would be set on the node, because of {field}"
                yield Finding((*path, "securityContext", "sysctls", index), message, "leave it out")
    yield from _root_findings(spec, body)


# Kubernetes, pkg/util/sysctl: GetNamespace.
_SYSCTLS = {"hostNetwork": ("net.",), "hostIPC": ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")}


def _namespace(sysctl: str) -> str | None:
    """The field that makes a sysctl one of the node; a name may be written with '/' too."""
    name = sysctl.replace("/", ".")
    return next((field for field, starts in _SYSCTLS.items() if name.startswith(starts)), None)


def _root_findings(spec: JobSpec, body: Json) -> Iterator[Finding]:
    places: dict[KeyPath, str] = {}
    for name in [c["name"] for c in containers_of(body) if _context(body, c) == (True, 0)]:
        for path, owner in [*pods(spec), *containers(spec)]:
            keys = owner.get("securityContext", {}).keys() & {"runAsNonRoot", "runAsUser"}
            if keys and owner.get("name", name) == name:
                places.setdefault((*path, "securityContext"), name)
    for path, name in places.items():
        message = f"{name} must not be root, and is user 0"
        yield Finding(path, message, "give runAsUser another number, or leave out runAsNonRoot")


def _context(body: Json, container: Json) -> tuple[Any, Any]:
    both = {**body.get("securityContext", {}), **container.get("securityContext", {})}
    return both.get("runAsNonRoot"), both.get("runAsUser")


MAX_ANNOTATION_BYTES = 200 * 1024


def annotations_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The files and annotations of the pod fit into its object.

    The API server takes 256 KiB of annotations an object (Kubernetes, pkg/apis/core/validation); the files that ftc
    writes are among them.

    Wrong: "annotations.a=$(printf a%0110000d)" "annotations.b=$(printf a%0110000d)"
    Right: annotations.a=short
    """
    annotations = with_fragments(run)["metadata"]["annotations"]
    size = sum(len(k) + len(v.encode()) for k, v in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        message = f"the files and annotations of the pod have {size} bytes, and {MAX_ANNOTATION_BYTES} fit"
        theirs = sum(len(value.encode()) for value in spec.annotations.values())
        path = ("annotations",) if theirs > size // 2 else ("train",)
        yield Finding(path, message, "shorten dataset.info, the arguments or the annotations")


# Rules on manifests.


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
        for place, name, first in duplicates(entries):
            yield Finding(pod.at(*place), f"there is a {what} '{name}' already", related=(pod.at(*first),))


def duplicates(entries: Iterable[tuple[KeyPath, str]]) -> Iterator[tuple[KeyPath, str, KeyPath]]:
    """The entries whose name another one has already, each with the place of the first."""
    first: dict[str, KeyPath] = {}
    for place, name in entries:
        if name and name in first:
            yield place, name, first[name]
        first.setdefault(name, place)


_PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?")


_LONGEST_PORT_NAME = 15


_PORTS_IN_MANIFESTS = range(1, 65536)


def ports_are_ports(step: Step) -> Iterator[Finding]:
    """A port is a number from 1 to 65535, and its name a short one.

    The API server refuses the pod: must be between 1 and 65535; must be no more than 15 characters.
    Source: Kubernetes, pkg/apis/core/validation (validateContainerPorts).

    Wrong: tests/corpus/bad/FTC826-port-of-six-digits.yaml
    Right: tests/corpus/good/FTC826-port-without-a-name.yaml
    """
    for index, port in enumerate(step.container.ports):
        if port.container_port not in _PORTS_IN_MANIFESTS and step.pod.has(
            step.field, step.index, "ports", index, "containerPort"
        ):
            yield Finding(step.at("ports", index), f"{port.container_port} is no port", "use 1 to 65535")
        if port.name and not (_PORT_NAME.fullmatch(port.name) and len(port.name) <= _LONGEST_PORT_NAME):
            help_ = f"use {_LONGEST_PORT_NAME} lower-case letters, digits and '-' at most"
            yield Finding(step.at("ports", index), f"'{port.name}' is no name of a port", help_)


RULES = (
    Rule("FTC522", "duplicate-entry-in-fragment", pieces_stand_once, JobSpec),
    Rule("FTC523", "incomplete-toleration", tolerations_are_whole, JobSpec),
    Rule("FTC524", "reserved-annotation", own_annotations_stay, JobSpec),
    Rule("FTC525", "sidecar-outlives-training", helpers_end, JobSpec, Severity.WARNING),
    Rule("FTC526", "no-command-override", steps_run_what_ftc_wrote, JobSpec, Severity.WARNING),
    Rule("FTC528", "contradictory-container-settings", containers_agree, JobSpec),
    Rule("FTC529", "contradictory-pod-settings", pods_agree, JobSpec),
    Rule("FTC504", "annotations-too-large", annotations_fit, JobSpec),
    Rule("FTC820", "duplicate-name-in-pod", names_are_unique, Pod),
    Rule("FTC826", "invalid-container-port", ports_are_ports, Step),
)
