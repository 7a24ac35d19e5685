"""Rules on processors and shared memory: what the processes of a pod share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.checks.container import limit, memory_limit_at, train
from ftc.checks.given import set_by, variables
from ftc.checks.resources import shm_fits_in_memory
from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.plan.pod import SHM, with_fragments
from ftc.plan.quantity import quantity
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


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


RULES = (
    Rule("FTC631", workers_have_processors, Severity.WARNING),
    Rule("FTC632", threads_have_processors, Severity.WARNING),
    Rule("FTC633", memory_volumes_fit),
    Rule("FTC634", processes_have_shared_memory, Severity.WARNING),
)
