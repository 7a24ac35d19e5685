"""Rules on processors, memory and shared memory: requests, limits and units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.amounts import amount
from ftc.manifests.steps import Step
from ftc.manifests.subjects import MANY
from ftc.plan.pod import SHM, with_fragments
from ftc.plan.quantity import quantity
from ftc.plan.train import NAME
from ftc.rules.given import (
    limit,
    memory_limit_at,
    named_containers,
    pods,
    resource_lists,
    set_by,
    train,
    variables,
    volumes,
)
from ftc.rules.pod.devices import is_extended
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from ftc.plan.types import RunPlan

# Rules on a spec.


def requests_fit_limits(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A request is no more than its limit, and the devices are as many as `devices` says.

    The API server refuses a request above its limit, and a device's request that is not its limit (Kubernetes,
    pkg/apis/core/validation). The launcher starts `devices` processes, whatever the limit says.

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
                message = f"{container['name']} requests {requests[name]} of {name}, and its limit is {limits[name]}"
                yield Finding((*_changed(spec, container["name"]), field), message, "give both")
        device = spec.hardware.device
        if container["name"] == NAME and device and quantity(limits[device.resource]) != spec.devices:
            message = f"the limit of {device.resource} is {limits[device.resource]}, and devices is {spec.devices}"
            yield Finding((*_changed(spec, NAME), field), message, "set devices instead", (("devices",),))


def _changed(spec: JobSpec, name: str) -> tuple[str, ...]:
    """The pod of the last fragment that changes a container."""
    changes = [
        path for path, pod in pods(spec) if any(container["name"] == name for _, container in named_containers(pod))
    ]
    return changes[-1] if changes else ("pod", "spec")


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
    for place, _container, resources in resource_lists(spec):
        yield from (((*place, name), resources[name]) for name in _BYTES if name in resources)


_SIZES = (
    ("emptyDir", "sizeLimit"),
    ("ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", "storage"),
)


def _in(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def shm_fits_in_memory(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Shared memory leaves room for the processes.

    Pages of an emptyDir of medium Memory count against the container's limit (Kubernetes, volumes: emptyDir), so a run
    that fills it is killed (OOMKilled).

    Wrong: hardware.shm_gib_per_device=64
    Right: hardware.shm_gib_per_device=32
    """
    hardware = spec.hardware
    if hardware.shm_gib_per_device >= hardware.memory_gib_per_device:
        message = f"{hardware.shm_gib_per_device} GiB leave nothing of {hardware.memory_gib_per_device} GiB of memory"
        memory = ("hardware", "memory_gib_per_device")
        yield Finding(("hardware", "shm_gib_per_device"), message, "raise hardware.memory_gib_per_device", (memory,))


def workers_have_processors(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Workers are no more than the processors of the pod.

    One process a node tokenises with `preprocessing_num_workers`; each process of the training has
    `dataloader_num_workers` of its own. Beyond the limit they take turns, and the device waits.

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
            yield Finding(set_at(spec, name), f"{workers} workers{each} share {have.normalize():f} processors", help_)


def threads_have_processors(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The threads of all processes are no more than the processors of the pod.

    OMP_NUM_THREADS holds for each process of a pod; ftc sets it to the processors divided by the processes where it is
    not set, because threads beyond the limit make a training many times slower.

    Wrong: devices=8 env.OMP_NUM_THREADS=32
    Right: devices=8 env.OMP_NUM_THREADS=8
    """
    have = limit(run, "cpu")
    for path, name, value in variables(spec):
        if name == "OMP_NUM_THREADS" and value.isdecimal() and int(value) * spec.devices > have:
            message = f"{value} threads in each of {spec.devices} processes share {have.normalize():f} processors"
            yield Finding(path, message, "leave it out: ftc divides the processors among the processes")


def memory_volumes_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Volumes in memory leave room in the container's limit.

    What is written to an emptyDir of `medium: Memory` counts against the memory of the container (Kubernetes,
    "emptyDir"): a volume as large as the limit lets the kernel kill the training.

    Wrong: 'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 64Gi}}]}}'
    Right: 'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 32Gi}}]}}'
    """
    mounted = {mount["name"] for mount in train(run)["volumeMounts"]}
    volumes = [volume for volume in with_fragments(run)["spec"]["volumes"] if volume["name"] in mounted]
    sizes = [volume["emptyDir"].get("sizeLimit", 0) for volume in volumes if _in_memory(volume)]
    used, have = sum(map(quantity, sizes)), limit(run, "memory")
    if used >= have and not any(shm_fits_in_memory(spec, run)):
        message = f"volumes in memory may take {_gib(used)} GiB of the container's {_gib(have)} GiB"
        path = memory_limit_at(spec) or set_by(spec, "spec", "volumes")
        yield Finding(path, message, "make them smaller, or raise the limit of memory")


def _in_memory(volume: dict[str, Any]) -> bool:
    return bool(volume.get("emptyDir", {}).get("medium") == "Memory")


def _gib(size: Decimal | int) -> str:
    return f"{size / 2**30:.4g}"


_ENOUGH_GIB = 4


def processes_have_shared_memory(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The shared memory is more than the 64 MiB that a container has by itself.

    Processes of one node exchange gradients through it where the devices cannot reach each other, and workers hand
    batches over: `Bus error`, or `Error while creating shared memory segment` (LLaMA-Factory issues 7233, 7315, 9506).

    Wrong: devices=2 hardware.shm_gib_per_device=0
    Right: devices=2 hardware.shm_gib_per_device=8
    """
    body = with_fragments(run)["spec"]
    places = {mount["mountPath"]: mount["name"] for mount in train(run)["volumeMounts"]}
    volume = next((volume for volume in body["volumes"] if volume["name"] == places.get(SHM)), None)
    several = spec.devices > 1 and spec.hardware.device is not None
    path = ("hardware", "shm_gib_per_device")
    if body.get("hostIPC") is True or not spec.trains:
        return
    if volume is None and (several or chosen(spec).get("dataloader_num_workers")):
        yield Finding(path, "0 leaves 64 MiB of /dev/shm for the processes of a pod", "give 1 GiB or more a device")
    elif volume is not None and several and _in_memory(volume) and "sizeLimit" in volume["emptyDir"]:
        size = quantity(volume["emptyDir"]["sizeLimit"])
        if size < _ENOUGH_GIB * 2**30:
            message = f"{_gib(size)} GiB of /dev/shm for {spec.devices} processes: {_ENOUGH_GIB} GiB are the least"
            yield Finding(path, message, "raise it")


# Rules on manifests.


_SIZES_IN_MANIFESTS = ("memory", "ephemeral-storage")


_LEAST = 1 << 16  # bytes


def requests_fit_limits_in_manifests(step: Step) -> Iterator[Finding]:
    """A request is no larger than its limit, and neither is negative, or in a unit that was not meant.

    The API server refuses the pod, and Volcano's webhook the job: must be less than or equal to … limit. A size without
    a unit is in bytes, and `m` is a thousandth: no container starts within `512m`, half a byte.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: tests/corpus/bad/FTC860-request-over-limit.yaml
    Right: tests/corpus/good/FTC860-other-units.yaml
    """
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name, value in requests.items():
        request, limit = amount(value), amount(limits.get(name))
        if request is not None and limit is not None and request > limit and not is_extended(name):
            message = f"{value} of {name} are requested, and the limit is {limits[name]}"
            yield Finding(step.at("resources", "requests", name), message, "raise the limit")
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            number = amount(value)
            if number is not None and number < 0:
                yield Finding(step.at("resources", field, name), f"{value} of {name} are less than none")
            elif number is not None and name in _SIZES_IN_MANIFESTS and 0 < number < _LEAST:
                unit = "thousandths of a byte" if str(value).endswith("m") else "bytes"
                help_ = f"write {str(value).rstrip('m')}Mi or {str(value).rstrip('m')}Gi"
                yield Finding(step.at("resources", field, name), f"{value} of {name} are {unit}", help_)


_SHARED = "/dev/shm"  # noqa: S108 - the path


# Below this NCCL and data loaders of two processes fail: the default is 64 MiB, and a GiB is the least that is told.
_LEAST_SHM = 2**30


def shared_memory_suffices(step: Step) -> Iterator[Finding]:
    """Processes that share memory have some, and it leaves the container the rest.

    Without a volume /dev/shm has 64 MiB: NCCL and data loaders end with a bus error. A directory in memory counts
    against the container's limit: one that fills it has the container killed.
    Source: Kubernetes, emptyDir.medium; LLaMA-Factory issues 7315, 7233, 9506.

    Wrong: tests/corpus/bad/FTC858-no-shared-memory.yaml
    Right: tests/corpus/good/FTC858-shared-memory.yaml
    """
    volumes = {volume.name: volume for volume in step.pod.spec.volumes}
    memory = amount(step.container.resources.limits.get("memory"))
    several = (step.devices or 0) >= MANY and bool(step.launches)
    for index, mount in enumerate(step.container.volume_mounts):
        directory = volumes[mount.name].empty_dir if mount.name in volumes else None
        size = amount(directory.size_limit) if directory is not None and directory.medium == "Memory" else None
        if directory is not None and size is not None and memory is not None and size >= memory:
            limit = step.container.resources.limits["memory"]
            message = f"{directory.size_limit} of memory for {mount.mount_path} leave nothing of the limit, {limit}"
            yield Finding(step.at("volumeMounts", index), message, "raise the memory limit")
        if size is not None and mount.mount_path == _SHARED and several and size < _LEAST_SHM:
            message = f"{step.devices} processes share {directory.size_limit if directory else 0} of memory"
            yield Finding(step.at("volumeMounts", index), message, "give it some GiB: 8Gi", severity=Severity.WARNING)
    shared = any(f"/{mount.mount_path.strip('/')}" == _SHARED for mount in step.container.volume_mounts)
    if several and not shared and not step.pod.spec.host_ipc:
        message = f"{step.devices} processes share /dev/shm, which has 64 MiB"
        help_ = "mount an emptyDir of medium Memory there, of some GiB"
        yield Finding(step.at(), message, help_, severity=Severity.WARNING)


RULES = (
    Rule("FTC510", "request-differs-from-limit", requests_fit_limits, JobSpec),
    Rule("FTC531", "quantity-without-unit", sizes_have_a_unit, JobSpec),
    Rule("FTC302", "shared-memory-exceeds-limit", shm_fits_in_memory, JobSpec),
    Rule("FTC631", "workers-exceed-cpus", workers_have_processors, JobSpec, Severity.WARNING),
    Rule("FTC632", "threads-exceed-cpus", threads_have_processors, JobSpec, Severity.WARNING),
    Rule("FTC633", "memory-volumes-exceed-limit", memory_volumes_fit, JobSpec),
    Rule("FTC634", "default-shared-memory-too-small", processes_have_shared_memory, JobSpec, Severity.WARNING),
    Rule("FTC860", "request-exceeds-limit", requests_fit_limits_in_manifests, Step),
    Rule("FTC858", "shared-memory-too-small", shared_memory_suffices, Step),
)
