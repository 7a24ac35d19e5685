"""Rules on quantities: units, extended resources, and who in the pod asks for devices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.checks.given import containers, pods, volumes
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import with_fragments
from ftc.plan.quantity import quantity
from ftc.plan.train import NAME
from ftc.spec.base import EXTENDED_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

SMALLEST = 2**20
_BYTES = ("memory", "ephemeral-storage")


def sizes_have_a_unit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A size has the unit that was meant.

    Without one it is in bytes, and `m` is a thousandth: `500m` is half a byte. No volume and no container does with
    less than a MiB.

    Wrong: storage=per-pod storage.workspace.size=5000m
    Right: storage=per-pod storage.workspace.size=5000Mi
    """
    for path, size in _sizes(spec):
        if quantity(size) < SMALLEST:
            number = re.match(r"[0-9.]+", str(size))
            meant = f"write {number[0]}Mi or {number[0]}Gi" if number else "write a size with its unit, 10Gi"
            yield Finding(path, f"{size} is {quantity(size).normalize():f} bytes", meant)


def _sizes(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    for key, volume in volumes(spec).items():
        size = getattr(volume, "size", None)
        if size is not None:
            yield (*key, "size"), size
    for path, pod in pods(spec):
        for index, given in enumerate(pod.get("volumes", [])):
            for keys in _SIZES:
                if (size := _in(given, keys)) is not None:
                    yield (*path, "volumes", index, *keys), size
    for place, _container, resources in _resources(spec):
        yield from (((*place, name), resources[name]) for name in _BYTES if name in resources)


_SIZES = (
    ("emptyDir", "sizeLimit"),
    ("ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", "storage"),
)


def _in(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _resources(spec: JobSpec) -> Iterator[tuple[KeyPath, str, Json]]:
    """The requests and limits in the fragments, with the name of the container."""
    for path, container in containers(spec):
        for field in ("requests", "limits"):
            yield (*path, "resources", field), container["name"], container.get("resources", {}).get(field, {})


def extended_resources_are_whole(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A device is counted in whole numbers, under its full name, and limited.

    The API server says `must be an integer`, `Limit must be set for non overcommitable resources`, and `must be a
    standard resource type or fully qualified` (pkg/apis/core/validation).

    Wrong: 'pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 500m}}}]}}'
    Right: 'pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 1}}}]}}'
    """
    limits = _limits(run)
    for path, container, resources in _resources(spec):
        for name, value in resources.items():
            if message := _problem(name, value) or _without_limit(path, name, limits[container]):
                help_ = "see https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
                yield Finding((*path, name), message, help_)


_EXTENDED = re.compile(EXTENDED_RESOURCE)
_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i")


def _problem(name: str, value: str | float) -> str:
    if "/" not in name:
        return "" if _STANDARD.fullmatch(name) else "is not a resource of Kubernetes; the name of a device has a domain"
    if not _EXTENDED.fullmatch(name):
        return "is not the name of a device resource, such as example.com/gpu, outside the domains of Kubernetes"
    return f"is {value}, and a device is counted in whole numbers" if quantity(value) % 1 else ""


def _without_limit(path: KeyPath, name: str, limits: Json) -> str:
    return "is requested without a limit" if "/" in name and path[-1] == "requests" and name not in limits else ""


def _limits(run: RunPlan) -> dict[str, Json]:
    """The limits of each container of the pod that comes out."""
    body = with_fragments(run)["spec"]
    found = [container for field in ("initContainers", "containers") for container in body.get(field, [])]
    return {container["name"]: container.get("resources", {}).get("limits", {}) for container in found}


def helpers_hold_no_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Only the training has devices.

    A device belongs to one container: what a helper beside the training holds is idle, and the pod needs that many more
    on its node.

    Wrong: 'pod={spec: {containers: [{name: a, image: "a:1", resources: {limits: {nvidia.com/gpu: 1}}}]}}'
    Right: 'pod={spec: {containers: [{name: a, image: "a:1", resources: {limits: {memory: 1Gi}}}]}}'
    """
    names = spec.hardware.resources
    for path, container, resources in _resources(spec):
        for name in [name for name in resources if name in names and path[-4] == "containers" and container != NAME]:
            message = f"{container} holds {resources[name]} of {name} and trains nothing"
            yield Finding((*path, name), message, "leave it out")


RULES = (
    Rule("FTC531", sizes_have_a_unit),
    Rule("FTC532", extended_resources_are_whole),
    Rule("FTC533", helpers_hold_no_device, Severity.WARNING),
)
