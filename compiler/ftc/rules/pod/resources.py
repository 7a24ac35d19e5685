"""Rules on processors and memory: requests, limits and units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.manifest import amount
from ftc.manifests.objects import Object
from ftc.manifests.steps import Step
from ftc.plan.kubernetes import quantity
from ftc.plan.pod import with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import (
    limit,
    named_containers,
    pods,
    resource_lists,
    variables,
    volumes,
)
from ftc.rules.pod.devices import is_extended
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def request_does_not_exceed_limit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Requests do not exceed limits, and the device limit equals `devices`.

    The API server rejects a request above its limit (`must be less than or equal to … limit`), and a device request
    that differs from its limit. Volcano's webhook rejects the job. The launcher starts `devices` processes, whatever
    the limit is.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: 'pod={spec: {containers: [{name: train, resources: {limits: {memory: 16Gi}}}]}}'
    Right: 'pod={spec: {containers: [{name: train, resources: {limits: {memory: 16Gi}, requests: {memory: 16Gi}}}]}}'
    """
    body = with_fragments(run)["spec"]
    for field, container in named_containers(body):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for name in sorted(requests.keys() & limits.keys()):
            request, limit = quantity(requests[name]), quantity(limits[name])
            if request > limit or (request != limit and "/" in name):
                message = _exceeds(container["name"], name, requests[name], limits[name])
                yield Finding((*_last_change(spec, container["name"]), field), message, "set both")
        device = spec.hardware.device
        if container["name"] == NAME and device and quantity(limits[device.resource]) != spec.devices:
            message = f"the limit of {device.resource} is {limits[device.resource]}, but devices is {spec.devices}"
            yield Finding((*_last_change(spec, NAME), field), message, "set devices instead", (("devices",),))


def _exceeds(container: str, name: str, request: str | float, limit: str | float) -> str:
    return f"{container} requests {request} of {name}, but its limit is {limit}"


def _last_change(spec: JobSpec, name: str) -> tuple[str, ...]:
    """The pod of the last fragment that changes a container."""
    changes = [
        path for path, pod in pods(spec) if any(container["name"] == name for _, container in named_containers(pod))
    ]
    return changes[-1] if changes else ("pod", "spec")


SMALLEST = 2**20


_BYTES = ("memory", "ephemeral-storage")


def sizes_have_a_unit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A size has a unit.

    A size without a unit is in bytes, and `m` means a thousandth: a container cannot start with `500m` of memory, which
    is half a byte. Volumes and containers of a run need at least 1 MiB.
    Source: Kubernetes, Quantity.

    Wrong: storage=per-pod storage.workspace.size=5000m
    Right: storage=per-pod storage.workspace.size=5000Mi
    """
    for path, size in _sizes(spec):
        if quantity(size) < SMALLEST:
            yield Finding(path, *_in_bytes(size))


def _in_bytes(size: str | float) -> tuple[str, str]:
    number = re.match(r"[0-9.]+", str(size))
    help_ = f"write {number[0]}Mi or {number[0]}Gi" if number else "write a size with a unit, such as 10Gi"
    return f"{size} is {quantity(size).normalize():f} bytes", help_


def _sizes(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    for key, volume in volumes(spec).items():
        size = getattr(volume, "size", None)
        if size is not None:
            yield (*key, "size"), size
    for path, pod in pods(spec):
        for index, given in enumerate(pod.get("volumes", [])):
            for keys in _SIZES:
                if (size := _nested(given, keys)) is not None:
                    yield (*path, "volumes", index, *keys), size
    for place, _container, resources in resource_lists(spec):
        yield from (((*place, name), resources[name]) for name in _BYTES if name in resources)


_SIZES = (
    ("emptyDir", "sizeLimit"),
    ("ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", "storage"),
)


def _nested(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def workers_fit_cpus(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The number of workers does not exceed the CPUs of the pod.

    One process per node tokenizes with `preprocessing_num_workers`, and every training process starts
    `dataloader_num_workers`. If workers share CPUs, the device waits for data.
    Source: LLaMA-Factory, data/loader.py; PyTorch, torch.utils.data.

    Wrong: train.dataloader_num_workers=12
    Right: train.dataloader_num_workers=4
    """
    if not spec.trains:
        return
    have = limit(run, "cpu")
    for name, processes in (("preprocessing_num_workers", 1), ("dataloader_num_workers", spec.devices)):
        workers = chosen(spec).get(name)
        if isinstance(workers, int) and workers * processes > have:
            each = f" in each of {processes} processes" if processes > 1 else ""
            help_ = f"set train.{name}={max(int(have) // processes, 1)}, or raise hardware.cpu_per_device"
            yield Finding(set_at(spec, name), f"{workers} workers{each} share {have.normalize():f} CPUs", help_)


def threads_fit_cpus(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The number of threads in all processes does not exceed the CPUs of the pod.

    OMP_NUM_THREADS applies to each process of a pod. If it is not set, ftc divides the CPUs by the number of processes,
    because excess threads make a training many times slower.
    Source: OpenMP, OMP_NUM_THREADS; PyTorch, torchrun.

    Wrong: devices=8 env.OMP_NUM_THREADS=32
    Right: devices=8 env.OMP_NUM_THREADS=8
    """
    have = limit(run, "cpu")
    for path, name, value in variables(spec):
        if name == "OMP_NUM_THREADS" and value.isdecimal() and int(value) * spec.devices > have:
            message = f"{value} threads in each of {spec.devices} processes share {have.normalize():f} CPUs"
            yield Finding(path, message, "remove it: ftc divides the CPUs among the processes")


# Rules on manifests.


def request_does_not_exceed_limit_in_manifests(step: Step) -> Iterator[Finding]:
    """The requests of a container do not exceed its limits, and those for devices equal them."""
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name, value in requests.items():
        request, limit = amount(value), amount(limits.get(name))
        equal = is_extended(name)  # a device cannot be overcommitted
        if request is not None and limit is not None and (request != limit if equal else request > limit):
            message = _exceeds(step.container.name, name, value, limits[name])
            help_ = "make them equal, or remove the request" if equal else "raise the limit"
            yield Finding(step.at("resources", "requests", name), message, help_)


def sizes_have_a_unit_in_manifests(manifest: Object) -> Iterator[Finding]:
    """The sizes in an object have a unit."""
    for path, size in _sizes_in(manifest.raw("spec"), ("spec",)):
        number = amount(size)
        if number is not None and 0 < number < _WITHOUT_UNIT:
            yield Finding(manifest.at(*path), *_in_bytes(size))


# A directory may be smaller than SMALLEST, such as one of 512Ki for a socket.
_WITHOUT_UNIT = 2**16


def _sizes_in(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """The sizes in a part of an object, of any kind: of containers, claims and directories."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _sizes_in(item, (*path, index))
    elif isinstance(node, dict):
        sized = path[-1] in ("limits", "requests") and path[-2] in ("resources", "resourcesPerNode")
        names = (*_BYTES, "storage") if sized else ("sizeLimit",) if path[-1] == "emptyDir" else ()
        for key, inner in node.items():
            if key in names:
                yield (*path, key), inner
            yield from _sizes_in(inner, (*path, key))


RULES = (
    Rule(
        "FTC510",
        "resources-contradict-devices-or-limits",
        request_does_not_exceed_limit,
        JobSpec,
        in_manifests=(request_does_not_exceed_limit_in_manifests, Step),
    ),
    Rule(
        "FTC531",
        "quantity-without-unit",
        sizes_have_a_unit,
        JobSpec,
        in_manifests=(sizes_have_a_unit_in_manifests, Object),
    ),
    Rule("FTC631", "workers-exceed-cpus", workers_fit_cpus, JobSpec, Severity.WARNING),
    Rule("FTC632", "threads-exceed-cpus", threads_fit_cpus, JobSpec, Severity.WARNING),
)
