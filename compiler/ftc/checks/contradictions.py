"""Rules on what a fragment says twice, in two ways that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.checks.given import containers, pods
from ftc.checks.rule import Finding, Rule
from ftc.plan.pod import containers as containers_of
from ftc.plan.pod import with_fragments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

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


RULES = (
    Rule("FTC528", containers_agree),
    Rule("FTC529", pods_agree),
)
