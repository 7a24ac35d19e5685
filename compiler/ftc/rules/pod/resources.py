"""Rules on processors, memory and shared memory: requests, limits and units."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.configs import of_trainer
from ftc.manifests.manifest import amount
from ftc.manifests.steps import Run, Step, number_in
from ftc.manifests.subjects import MANY
from ftc.plan.kubernetes import quantity
from ftc.plan.pod import SHM, recorded, with_fragments
from ftc.plan.train import NAME
from ftc.rules.given import (
    limit,
    memory_limit_at,
    named_containers,
    pods,
    resource_lists,
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


def request_does_not_exceed_limit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Requests do not exceed limits, and the device limit equals `devices`.

    The API server rejects a request above its limit, and a device request that differs from its limit. The launcher
    starts `devices` processes, whatever the limit is.
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
                message = f"{container['name']} requests {requests[name]} of {name}, but its limit is {limits[name]}"
                yield Finding((*_last_change(spec, container["name"]), field), message, "set both")
        device = spec.hardware.device
        if container["name"] == NAME and device and quantity(limits[device.resource]) != spec.devices:
            message = f"the limit of {device.resource} is {limits[device.resource]}, but devices is {spec.devices}"
            yield Finding((*_last_change(spec, NAME), field), message, "set devices instead", (("devices",),))


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

    A size without a unit is in bytes, and `m` means a thousandth: `500m` is half a byte. Volumes and containers need at
    least 1 MiB.
    Source: Kubernetes, Quantity.

    Wrong: storage=per-pod storage.workspace.size=5000m
    Right: storage=per-pod storage.workspace.size=5000Mi
    """
    for path, size in _sizes(spec):
        if quantity(size) < SMALLEST:
            number = re.match(r"[0-9.]+", str(size))
            help_ = f"write {number[0]}Mi or {number[0]}Gi" if number else "write a size with a unit, such as 10Gi"
            yield Finding(path, f"{size} is {quantity(size).normalize():f} bytes", help_)


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


def shm_fits_in_memory(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Shared memory is smaller than the memory limit.

    Files in an emptyDir with `medium: Memory` count towards the container's memory limit. If they fill it, the
    container is killed (OOMKilled).
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: hardware.shm_gib_per_device=64
    Right: hardware.shm_gib_per_device=32
    """
    hardware = spec.hardware
    if hardware.shm_gib_per_device >= hardware.memory_gib_per_device:
        message = f"{hardware.shm_gib_per_device} GiB use all of the {hardware.memory_gib_per_device} GiB of memory"
        memory = ("hardware", "memory_gib_per_device")
        yield Finding(("hardware", "shm_gib_per_device"), message, "raise hardware.memory_gib_per_device", (memory,))


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


def memory_volumes_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Volumes in memory are smaller than the container's memory limit.

    Files in an emptyDir with `medium: Memory` count towards the container's memory limit. If they reach it, the kernel
    kills the training.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: 'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 64Gi}}]}}'
    Right: 'pod={spec: {volumes: [{name: shm, emptyDir: {sizeLimit: 32Gi}}]}}'
    """
    mounted = {mount["name"] for mount in train(run)["volumeMounts"]}
    volumes = recorded(run).at(("spec", "volumes"))
    found = [volumes.at((i,)) for i, one in enumerate(volumes.content) if one["name"] in mounted and _in_memory(one)]
    sizes = [volume.at(("emptyDir", "sizeLimit")) for volume in found]
    used, have = sum(quantity(size.content or 0) for size in sizes), limit(run, "memory")
    if used >= have and not any(shm_fits_in_memory(spec, run)):
        message = f"volumes in memory may use {_gib(used)} GiB of the container's {_gib(have)} GiB"
        given = [size.record.source.key for size in sizes if size.record.source.key]
        yield Finding(
            memory_limit_at(run) or (*given, ("pod",))[0], message, "make them smaller, or raise the memory limit"
        )


def _in_memory(volume: dict[str, Any]) -> bool:
    return bool(volume.get("emptyDir", {}).get("medium") == "Memory")


def _gib(size: Decimal | int) -> str:
    return f"{size / 2**30:.4g}"


_ENOUGH_GIB = 4


def processes_have_shared_memory(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A pod with several processes has more than the default 64 MiB of shared memory.

    Processes of one node exchange gradients through shared memory if the devices cannot reach each other, and data
    loader workers pass batches through it. If it is too small, they fail with `Bus error` or `Error while creating
    shared memory segment`.
    Source: LLaMA-Factory issues 7233, 7315, 9506.

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
        yield Finding(path, "0 leaves the processes of a pod 64 MiB of /dev/shm", "set at least 1 GiB per device")
    elif volume is not None and several and _in_memory(volume) and "sizeLimit" in volume["emptyDir"]:
        size = quantity(volume["emptyDir"]["sizeLimit"])
        if size < _ENOUGH_GIB * 2**30:
            message = (
                f"{_gib(size)} GiB of /dev/shm is less than the {_ENOUGH_GIB} GiB that {spec.devices} processes need"
            )
            yield Finding(path, message, "raise it")


# Rules on manifests.


_SIZES_IN_MANIFESTS = ("memory", "ephemeral-storage")


_SMALLEST_IN_MANIFESTS = 1 << 16  # bytes


def request_does_not_exceed_limit_in_manifests(step: Step) -> Iterator[Finding]:
    """A request does not exceed its limit, and quantities are positive and have a unit.

    The API server rejects the pod (`must be less than or equal to … limit`), and Volcano's webhook rejects the job. The
    request for a device equals its limit. A size without a unit is in bytes, and `m` means a thousandth: a container
    cannot start with `512m`, half a byte.
    Source: Kubernetes, pkg/apis/core/validation (ValidateContainerResourceRequirements).

    Wrong: tests/corpus/bad/FTC860-request-over-limit.yaml
    Right: tests/corpus/good/FTC860-other-units.yaml
    """
    limits, requests = step.container.resources.limits, step.container.resources.requests
    for name, value in requests.items():
        request, limit = amount(value), amount(limits.get(name))
        equal = is_extended(name)  # a device cannot be overcommitted
        if request is not None and limit is not None and (request != limit if equal else request > limit):
            message = f"the request for {name} is {value}, but the limit is {limits[name]}"
            help_ = "make them equal, or remove the request" if equal else "raise the limit"
            yield Finding(step.at("resources", "requests", name), message, help_)
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            number = amount(value)
            if number is not None and number < 0:
                yield Finding(step.at("resources", field, name), f"{value} of {name} is negative")
            elif number is not None and name in _SIZES_IN_MANIFESTS and 0 < number < _SMALLEST_IN_MANIFESTS:
                unit = "thousandths of a byte" if str(value).endswith("m") else "bytes"
                help_ = f"write {str(value).rstrip('m')}Mi or {str(value).rstrip('m')}Gi"
                yield Finding(step.at("resources", field, name), f"{value} of {name} is in {unit}", help_)


_SHM = "/dev/shm"  # noqa: S108 - the path


# The default of 64 MiB is too little for NCCL and data loaders; reports of working setups start at 1 GiB.
_SMALLEST_SHM = 2**30


def shared_memory_is_sufficient(run: Run) -> Iterator[Finding]:
    """Several processes in a pod have enough shared memory, and it is smaller than the memory limit.

    Without a volume /dev/shm has 64 MiB, and NCCL and the workers of data loaders fail with a bus error. Files in
    memory count towards the container's memory limit: if they fill it, the container is killed.
    Source: Kubernetes, Volumes (emptyDir.medium); LLaMA-Factory issues 7315, 7233, 9506.

    Wrong: tests/corpus/bad/FTC858-no-shared-memory.yaml
    Right: tests/corpus/good/FTC858-shared-memory.yaml
    """
    for step in run.steps:
        yield from _shared_memory(step, _workers(run, step))


_WORKERS = re.compile(r"-*(?:dataloader[_-])?num[_-]workers(?:=(\d+))?")


def _workers(run: Run, step: Step) -> int:
    """The workers of the data loader in each training process, from options or the training's configuration."""
    counts = [config.value("dataloader_num_workers") for config in of_trainer(run) if config.step is step]
    for command in step.trainings:
        words = command.arguments
        if words:
            for word, after in zip_longest(words, words[1:]):
                option = _WORKERS.fullmatch(step.value(word) or "")
                if option is not None:
                    counts.append(number_in(option[1] or (step.value(after) if after is not None else None)))
    return max((count for count in counts if isinstance(count, int)), default=0)


def _shared_memory(step: Step, workers: int) -> Iterator[Finding]:
    volumes = {volume.name: volume for volume in step.pod.spec.volumes}
    memory = amount(step.container.resources.limits.get("memory"))
    several = (step.devices or 0) >= MANY and bool(step.launches)
    for index, mount in enumerate(step.container.volume_mounts):
        directory = volumes[mount.name].empty_dir if mount.name in volumes else None
        size = amount(directory.size_limit) if directory is not None and directory.medium == "Memory" else None
        if directory is not None and size is not None and memory is not None and size >= memory:
            limit = step.container.resources.limits["memory"]
            message = f"{mount.mount_path} may use {directory.size_limit} of memory, and the limit is {limit}"
            yield Finding(step.at("volumeMounts", index), message, "raise the memory limit")
        if size is not None and mount.mount_path == _SHM and several and size < _SMALLEST_SHM:
            message = f"{step.devices} processes share only {directory.size_limit if directory else 0} of memory"
            yield Finding(
                step.at("volumeMounts", index), message, "set several GiB, such as 8Gi", severity=Severity.WARNING
            )
    shared = any(f"/{mount.mount_path.strip('/')}" == _SHM for mount in step.container.volume_mounts)
    if (several or workers) and not shared and not step.pod.spec.host_ipc:
        users = f"{step.devices} processes" if several else f"{workers} workers of the data loader"
        message = f"{users} share only the default 64 MiB of /dev/shm"
        help_ = "mount an emptyDir with medium: Memory and several GiB there"
        yield Finding(step.at(), message, help_, severity=Severity.WARNING)


RULES = (
    Rule("FTC510", "resources-contradict-devices-or-limits", request_does_not_exceed_limit, JobSpec),
    Rule("FTC531", "quantity-without-unit", sizes_have_a_unit, JobSpec),
    Rule("FTC302", "shared-memory-exceeds-limit", shm_fits_in_memory, JobSpec),
    Rule("FTC631", "workers-exceed-cpus", workers_fit_cpus, JobSpec, Severity.WARNING),
    Rule("FTC632", "threads-exceed-cpus", threads_fit_cpus, JobSpec, Severity.WARNING),
    Rule("FTC633", "memory-volumes-exceed-limit", memory_volumes_fit, JobSpec),
    Rule("FTC634", "processes-need-shared-memory", processes_have_shared_memory, JobSpec, Severity.WARNING),
    Rule("FTC860", "request-exceeds-limit", request_does_not_exceed_limit_in_manifests, Step),
    Rule("FTC858", "shared-memory-too-small", shared_memory_is_sufficient, Run),
)
