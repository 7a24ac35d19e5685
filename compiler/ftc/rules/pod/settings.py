"""Rules on the settings of a whole pod, which do not contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.manifests.subjects import MANY, Pod
from ftc.plan.pod import containers as containers_of
from ftc.plan.pod import with_fragments
from ftc.rules.given import containers, pods
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json

# Rules on a spec.


def pod_settings_are_consistent(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The settings of a pod do not contradict each other.

    The API server rejects a volume with two sources (`may not specify more than 1 volume type`), a user namespace in a
    pod that shares a namespace with the host, and a sysctl of a namespace that the pod shares with the host. The
    kubelet does not start a container that has runAsNonRoot and user 0.
    Source: Kubernetes, pkg/apis/core/validation; pkg/kubelet/kuberuntime (verifyRunAsNonRoot).

    Wrong: 'pod={spec: {hostUsers: false, hostNetwork: true}}'
    Right: 'pod={spec: {hostUsers: false}}'
    """
    body = with_fragments(run)["spec"]
    volumes = {volume["name"]: volume.keys() - {"name"} for volume in body.get("volumes", [])}
    shared = _shared_with_host(body)
    for path, pod in pods(spec):
        for index, volume in enumerate(pod.get("volumes", [])):
            if len(kinds := volumes[volume["name"]]) > 1:
                message = _several_sources(volume["name"], kinds)
                yield Finding((*path, "volumes", index), message, "remove one, or choose another name")
        if body.get("hostUsers") is False and "hostUsers" in pod and shared:
            yield Finding((*path, "hostUsers"), *_user_namespace(shared))
        for index, sysctl in enumerate(pod.get("securityContext", {}).get("sysctls", [])):
            if problem := _sysctl_problem(sysctl["name"], shared):
                yield Finding((*path, "securityContext", "sysctls", index), *problem)
    yield from _root_findings(spec, body)


def _shared_with_host(body: Json) -> list[str]:
    return [field for field in ("hostNetwork", "hostPID", "hostIPC") if body.get(field)]


def _several_sources(volume: str, kinds: Iterable[str]) -> str:
    return f"volume '{volume}' has several sources: {', '.join(sorted(kinds))}"


def _user_namespace(shared: list[str]) -> tuple[str, str]:
    return f"false cannot be combined with {', '.join(shared)}", "remove it"


# Kubernetes, pkg/util/sysctl: GetNamespace.
_SYSCTLS = {"hostNetwork": ("net.",), "hostIPC": ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")}


def _namespace(sysctl: str) -> str | None:
    """The field that shares a sysctl's namespace with the host; "/" may replace "." in the name."""
    name = sysctl.replace("/", ".")
    return next((field for field, starts in _SYSCTLS.items() if name.startswith(starts)), None)


def _sysctl_problem(name: str, shared: list[str]) -> tuple[str, str] | None:
    field = _namespace(name)
    return (f"{name} would apply to the node, because {field} is true", "remove it") if field in shared else None


def _root_findings(spec: JobSpec, body: Json) -> Iterator[Finding]:
    places: dict[KeyPath, str] = {}
    for name in [c["name"] for c in containers_of(body) if _root_settings(body, c) == (True, 0)]:
        for path, owner in [*pods(spec), *containers(spec)]:
            keys = owner.get("securityContext", {}).keys() & {"runAsNonRoot", "runAsUser"}
            if keys and owner.get("name", name) == name:
                places.setdefault((*path, "securityContext"), name)
    for path, name in places.items():
        yield Finding(path, *_runs_as_root(name))


def _runs_as_root(container: str) -> tuple[str, str]:
    return f"{container} has runAsNonRoot, but runs as user 0", "set another runAsUser, or remove runAsNonRoot"


def _root_settings(body: Json, container: Json) -> tuple[Any, Any]:
    both = {**body.get("securityContext", {}), **container.get("securityContext", {})}
    return both.get("runAsNonRoot"), both.get("runAsUser")


# Rules on manifests.


def pod_settings_are_consistent_in_manifests(pod: Pod) -> Iterator[Finding]:
    """The settings of a pod in a manifest do not contradict each other."""
    for index, volume in enumerate(pod.spec.volumes):
        raw = pod.raw("volumes", index)
        sources = {key for key, value in raw.items() if isinstance(value, dict)} if isinstance(raw, dict) else set()
        if len(sources) >= MANY:
            message = _several_sources(volume.name, sources)
            yield Finding(pod.at("volumes", index), message, "split it into two volumes")
    body = pod.raw() or {}
    if pod.job.object.mismatches:
        return  # a part may have another type
    shared = _shared_with_host(body)
    if body.get("hostUsers") is False and shared:
        yield Finding(pod.at("hostUsers"), *_user_namespace(shared))
    for index, sysctl in enumerate(body.get("securityContext", {}).get("sysctls", [])):
        if problem := _sysctl_problem(sysctl["name"], shared):
            yield Finding(pod.at("securityContext", "sysctls", index), *problem)
    yield from _root_containers(pod, body)


def _root_containers(pod: Pod, body: Json) -> Iterator[Finding]:
    """One finding for each security context: that of the pod names the first container."""
    places: dict[KeyPath, str] = {}
    for field in ("initContainers", "containers"):
        for index, container in enumerate(body.get(field, [])):
            if _root_settings(body, container) == (True, 0):
                own = container.get("securityContext", {}).keys() & {"runAsNonRoot", "runAsUser"}
                place: KeyPath = (field, index, "securityContext") if own else ("securityContext",)
                places.setdefault(place, container["name"])
    for place, name in places.items():
        yield Finding(pod.at(*place), *_runs_as_root(name))


RULES = (
    Rule(
        "FTC529",
        "contradictory-pod-settings",
        pod_settings_are_consistent,
        JobSpec,
        in_manifests=(pod_settings_are_consistent_in_manifests, Pod),
    ),
)
