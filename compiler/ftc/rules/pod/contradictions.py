"""What Kubernetes' server refuses because parts of a pod contradict each other, for compile and lint.

Source: Kubernetes, pkg/apis/core/validation.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.patterns import lazily
from ftc.plan.kubernetes import quantity
from ftc.source.unknown import has_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json


class Contradiction(NamedTuple):
    """The path in the spec of the pod, and what is wrong there."""

    path: KeyPath
    message: str
    help: str


def contradictions(pod: Json) -> Iterator[Contradiction]:
    """The contradictions in a pod that matches the schema."""
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(field, [])):
            for check in _OF_CONTAINERS:
                yield from check(pod, container, (field, index))
    for names in (_spread_keys, _sysctls):
        yield from _duplicates(names(pod))
    yield from _of_windows(pod)


def annotation_errors(template: Json) -> Iterator[Contradiction]:
    """The annotations that the server reads, with the paths in the pod template (ValidatePodSpecificAnnotations)."""
    annotations = template.get("metadata", {}).get("annotations") or {}
    names = {c["name"] for field in ("containers", "initContainers") for c in template.get("spec", {}).get(field, [])}
    for key, value in annotations.items():
        path, container = ("metadata", "annotations", key), key.removeprefix(_APP_ARMOR)
        if has_placeholder(key + value):
            continue
        if key == "scheduler.alpha.kubernetes.io/tolerations" and value and not _is_list_of_objects(value):
            yield Contradiction(path, "is not a JSON list of tolerations", "use spec.tolerations instead")
        elif key == "controller.kubernetes.io/pod-deletion-cost" and not _is_int32(value):
            yield Contradiction(path, f"'{value}' is not a 32-bit integer", 'write an integer in quotes, like "100"')
        elif container != key and container not in names:
            yield Contradiction(path, f"the pod does not have a container '{container}'", "name a container of the pod")
        elif (container != key or key in _SECCOMP) and not _PROFILE.fullmatch(value):
            help_ = "write runtime/default, unconfined or localhost/<file>"
            yield Contradiction(path, f"'{value}' is not a profile", help_)


_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP = ("seccomp.security.alpha.kubernetes.io/pod",)
_PROFILE = lazily(r"runtime/default|docker/default|unconfined|localhost/(?!/)(?!(.*/)?\.\.(/|$)).+|")


def _is_list_of_objects(text: str) -> bool:
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return read is None or (isinstance(read, list) and all(isinstance(one, dict) for one in read))


def _is_int32(text: str) -> bool:
    return re.fullmatch(r"0|-?[1-9][0-9]{0,9}", text) is not None and -(2**31) <= int(text) < 2**31


def _duplicates(entries: list[tuple[KeyPath, str]]) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for path, name in entries:
        if name in seen:
            yield Contradiction(path, f"{name} is a duplicate", "keep one of them")
        seen.add(name)


def _spread_keys(pod: Json) -> list[tuple[KeyPath, str]]:
    entries = enumerate(pod.get("topologySpreadConstraints", []))
    return [(("topologySpreadConstraints", i), f"{e['topologyKey']} {e['whenUnsatisfiable']}") for i, e in entries]


def _sysctls(pod: Json) -> list[tuple[KeyPath, str]]:
    entries = enumerate(pod.get("securityContext", {}).get("sysctls", []))
    return [(("securityContext", "sysctls", i), e["name"].replace("/", ".")) for i, e in entries]


def port_names(pod: Json) -> Iterator[Contradiction]:
    """The names of ports that the server refuses; lint has rules that name the other port too."""
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(field, [])):
            ports = [((field, index, "ports", i), port["name"]) for i, port in _named(container)]
            yield from _duplicates([(path, f"port name {name}") for path, name in ports])
            for path, name in ports:
                if not _PORT_NAME.fullmatch(name):
                    help_ = "use at most 15 lower-case letters, digits and '-', with a letter"
                    yield Contradiction((*path, "name"), f"{name} is not a valid port name", help_)


def _named(container: Json) -> list[tuple[int, Json]]:
    return [(i, port) for i, port in enumerate(container.get("ports", [])) if port.get("name")]


def _ports(_: Json, container: Json, path: KeyPath) -> Iterator[Contradiction]:
    yield from _duplicates(
        [
            ((*path, "ports", i), f"hostPort {p.get('protocol') or 'TCP'}/{p.get('hostIP', '')}/{p['hostPort']}")
            for i, p in enumerate(container.get("ports", []))
            if p.get("hostPort")
        ]
    )


# IsValidPortName
_PORT_NAME = lazily(r"(?!.*--)(?=.*[a-z])(?=.{1,15}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?|.*[${].*")


def _mounts(_: Json, container: Json, path: KeyPath) -> Iterator[Contradiction]:
    privileged = container.get("securityContext", {}).get("privileged") is True
    devices = {device["name"] for device in container.get("volumeDevices", [])}
    for index, mount in enumerate(container.get("volumeMounts", [])):
        if mount.get("mountPropagation") == "Bidirectional" and not privileged:
            message = "Bidirectional is only for privileged containers"
            yield Contradiction((*path, "volumeMounts", index, "mountPropagation"), message, "use HostToContainer")
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    for index, device in enumerate(container.get("volumeDevices", [])):
        if device["name"] in devices & mounted:
            message = f"'{device['name']}' is both mounted and a device"
            yield Contradiction((*path, "volumeDevices", index), message, "remove one of the two")


def _isolation(pod: Json, container: Json, path: KeyPath) -> Iterator[Contradiction]:
    if container.get("securityContext", {}).get("procMount") == "Unmasked" and pod.get("hostUsers") is not False:
        message = "Unmasked needs a user namespace"
        yield Contradiction((*path, "securityContext", "procMount"), message, "set hostUsers: false in the pod")


def _resources(pod: Json, container: Json, path: KeyPath) -> Iterator[Contradiction]:
    resources = container.get("resources", {})
    known = {claim["name"] for claim in pod.get("resourceClaims", [])}
    for index, claim in enumerate(resources.get("claims", [])):
        if claim["name"] not in known:
            message = f"the pod does not have a resource claim '{claim['name']}'"
            yield Contradiction((*path, "resources", "claims", index), message, "add it to spec.resourceClaims")
    for index, policy in enumerate(container.get("resizePolicy", [])):
        if policy["restartPolicy"] == "RestartContainer" and pod.get("restartPolicy") == "Never":
            message = "RestartContainer contradicts the restartPolicy of the pod, Never"
            yield Contradiction((*path, "resizePolicy", index), message, "use NotRequired")
    yield from _huge_pages(resources, (*path, "resources"))


def _huge_pages(resources: Json, path: KeyPath) -> Iterator[Contradiction]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for field, given in (("limits", limits), ("requests", requests)):
        for name, amount in given.items():
            page = name.removeprefix("hugepages-")
            if page == name or not (_SIZE.fullmatch(page) and _SIZE.fullmatch(str(amount))):
                continue
            place = (*path, field, name)
            if quantity(amount) % quantity(page):
                yield Contradiction(place, f"{amount} is not a multiple of {page}", "request whole pages")
            elif field == "requests" and quantity(limits.get(name, "0")) != quantity(amount):
                yield Contradiction(place, f"{amount} differs from the limit", "set requests and limits to the same")
            elif not {"cpu", "memory"} & (limits.keys() | requests.keys()):
                yield Contradiction(place, "huge pages need a cpu or memory resource", "add cpu or memory")


_SIZE = lazily(r"[0-9]+([KMGTPE]i|[kMGTPE])?")


def _hooks(pod: Json, container: Json, path: KeyPath) -> Iterator[Contradiction]:
    grace = pod.get("terminationGracePeriodSeconds", 30)
    for name, hook in container.get("lifecycle", {}).items():
        seconds = hook.get("sleep", {}).get("seconds", 0) if isinstance(hook, dict) else 0
        if seconds > grace:
            message = f"{seconds} is more than terminationGracePeriodSeconds, {grace}"
            yield Contradiction((*path, "lifecycle", name, "sleep", "seconds"), message, "sleep for a shorter time")


def _of_windows(pod: Json) -> Iterator[Contradiction]:
    containers = [(("containers", i), c) for i, c in enumerate(pod.get("containers", []))]
    containers += [(("initContainers", i), c) for i, c in enumerate(pod.get("initContainers", []))]
    everything: list[tuple[KeyPath, Json]] = [((), pod), *containers]
    for path, owner in everything:
        context = owner.get("securityContext", {})
        place = (*path, "securityContext", "windowsOptions", "hostProcess")
        if context.get("windowsOptions", {}).get("hostProcess") and not pod.get("hostNetwork"):
            yield Contradiction(place, "a host process needs hostNetwork: true", "remove it")
    if pod.get("os", {}).get("name") == "windows":
        used = [path for path, owner in everything if owner.get("securityContext", {}).keys() & _OF_LINUX]
        if used:
            yield Contradiction(("os", "name"), "a pod of Windows cannot have settings of Linux", "remove os")


# validateWindows
_OF_LINUX = frozenset(
    (
        *("seLinuxOptions", "seccompProfile", "appArmorProfile", "fsGroup", "fsGroupChangePolicy", "sysctls"),
        *("runAsUser", "runAsGroup", "supplementalGroups", "capabilities", "readOnlyRootFilesystem", "privileged"),
        *("allowPrivilegeEscalation", "procMount"),
    )
)
_OF_CONTAINERS: tuple[Callable[[Any, Any, KeyPath], Iterator[Contradiction]], ...] = (
    _ports,
    _mounts,
    _isolation,
    _resources,
    _hooks,
)
