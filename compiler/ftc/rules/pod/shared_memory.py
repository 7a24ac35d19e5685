"""Rules on shared memory and on other volumes in memory, which count towards the memory limit of a container."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from ftc.diagnostics.model import KeyPath, Severity
from ftc.manifests.configs import of_trainer
from ftc.manifests.manifest import amount
from ftc.manifests.steps import Run, Step, number_in
from ftc.manifests.subjects import MANY
from ftc.plan.kubernetes import quantity
from ftc.plan.pod import SHM, recorded, with_fragments
from ftc.rules.given import limit, memory_limit_at, train, volumes
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.storage import PerPod
from ftc.trainer.arguments import chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftc.plan.types import RunPlan


class InMemory(NamedTuple):
    """A volume in memory that a container mounts.

    It has its size, which is 0 without a limit, its place, and whether it is mounted at /dev/shm.
    """

    size: Decimal
    place: Any
    shared: bool


def _shared_exceeding(found: Iterable[InMemory], have: Decimal) -> InMemory | None:
    """The volume of /dev/shm if it alone may use the whole memory limit; a limit of 0 does not limit."""
    return next((one for one in found if one.shared and 0 < have <= one.size), None)


def _exceeding(found: Sequence[InMemory], have: Decimal) -> Decimal | None:
    """What the volumes together may use of the memory, if that is all and /dev/shm alone may not."""
    used = sum((one.size for one in found), Decimal(0))
    return used if 0 < have <= used and _shared_exceeding(found, have) is None else None


def _may_use(what: str, used: Decimal, have: Decimal) -> str:
    return f"{what} may use {_gib(used)} GiB of the container's {_gib(have)} GiB"


def _gib(size: Decimal) -> str:
    return f"{size / 2**30:.4g}"


def _is_shared(mount_path: str) -> bool:
    return f"/{mount_path.strip('/')}" == SHM


# Rules on a spec.


def _of_training(run: RunPlan) -> list[InMemory]:
    """The volumes in memory that the training mounts, each with the key in a fragment that set its size."""
    mounted, shared = _mounted(run)
    given = recorded(run).at(("spec", "volumes"))
    found = []
    for index, volume in enumerate(given.content):
        if volume["name"] in mounted and _in_memory(volume):
            size = given.at((index, "emptyDir", "sizeLimit"))
            found.append(InMemory(quantity(size.content or 0), size.record.source.key, volume["name"] in shared))
    return found


def _mounted(run: RunPlan) -> tuple[set[str], set[str]]:
    """The volumes that the training mounts, and those of them at /dev/shm."""
    mounts = train(run)["volumeMounts"]
    return {mount["name"] for mount in mounts}, {m["name"] for m in mounts if _is_shared(m["mountPath"])}


def _in_memory(volume: dict[str, Any]) -> bool:
    return bool(volume.get("emptyDir", {}).get("medium") == "Memory")


def shm_fits_in_memory(_: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Shared memory is smaller than the memory limit.

    Files in an emptyDir with `medium: Memory` count towards the container's memory limit. If they fill it, the
    container is killed (OOMKilled).
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: hardware.shm_gib_per_device=64
    Right: hardware.shm_gib_per_device=32
    """
    have = limit(run, "memory")
    shared = _shared_exceeding(_of_training(run), have)
    if shared is not None:
        message, given = _may_use(SHM, shared.size, have), memory_limit_at(run) or shared.place
        if given:
            yield Finding(given, message, _SMALLER)
        else:
            memory = ("hardware", "memory_gib_per_device")
            help_ = "raise hardware.memory_gib_per_device"
            yield Finding(("hardware", "shm_gib_per_device"), message, help_, (memory,))


_SMALLER = "make it smaller, or raise the memory limit"


def memory_volumes_fit(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """Volumes in memory are together smaller than the container's memory limit.

    Files in an emptyDir with `medium: Memory` count towards the container's memory limit. If they reach it, the kernel
    kills the training.
    Source: Kubernetes, Volumes (emptyDir).

    Wrong: storage=in-memory storage.workspace.size=60Gi
    Right: storage=in-memory storage.workspace.size=16Gi
    """
    found, have = _of_training(run), limit(run, "memory")
    used = _exceeding(found, have)
    if used is not None:
        given = [one.place for one in found if one.place]
        given += [(*key, "size") for key, one in volumes(spec).items() if isinstance(one, PerPod) and one.in_memory]
        place: KeyPath = memory_limit_at(run) or (*given, ("pod",))[0]
        yield Finding(place, _may_use(_VOLUMES, used, have), _ALL_SMALLER)


_VOLUMES = "volumes in memory"
_ALL_SMALLER = "make them smaller, or raise the memory limit"
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
    _, shared = _mounted(run)
    volume = next((volume for volume in body["volumes"] if volume["name"] in shared), None)
    several = spec.devices > 1 and spec.hardware.device is not None
    path = ("hardware", "shm_gib_per_device")
    if body.get("hostIPC") is True or not spec.trains:
        return
    if volume is None and (several or chosen(spec).get("dataloader_num_workers")):
        yield Finding(path, _default(spec.devices if several else 0), "set at least 1 GiB per device")
    elif volume is not None and several and _in_memory(volume) and "sizeLimit" in volume["emptyDir"]:
        size = volume["emptyDir"]["sizeLimit"]
        if quantity(size) < _ENOUGH_GIB * 2**30:
            yield Finding(path, _too_small(spec.devices, size), f"raise it: they need {_ENOUGH_GIB} GiB")


def _default(processes: int) -> str:
    users = f"{processes} processes" if processes else "the workers of the data loader"
    return f"{users} share only the default 64 MiB of {SHM}"


def _too_small(processes: int | None, size: str | float) -> str:
    return f"{processes} processes share only {size} of {SHM}"


# Rules on manifests.


def _of_container(step: Step) -> list[InMemory]:
    """The volumes in memory that a container mounts, each with the place of its first mount.

    Only the files that a container writes count towards its memory: an init container prepares volumes, and an idle
    container does not fill them.
    """
    found: dict[str, InMemory] = {}
    for index, mount in enumerate(step.container.volume_mounts if not (step.init or step.idle) else ()):
        if mount.read_only:
            continue
        volume = step.pod.volume(mount.name)
        directory = volume.empty_dir if volume is not None else None
        if directory is not None and directory.medium == "Memory":
            first, shared = found.get(mount.name), _is_shared(mount.mount_path)
            place = first.place if first is not None else step.at("volumeMounts", index)
            shared = shared or (first is not None and first.shared)
            found[mount.name] = InMemory(amount(directory.size_limit) or Decimal(0), place, shared)
    return list(found.values())


def _memory(step: Step) -> Decimal:
    """The memory limit of a container; 0 without one."""
    return amount(step.container.resources.limits.get("memory")) or Decimal(0)


def shm_fits_in_memory_in_manifests(step: Step) -> Iterator[Finding]:
    """The shared memory of a container is smaller than its memory limit."""
    have = _memory(step)
    shared = _shared_exceeding(_of_container(step), have)
    if shared is not None:
        yield Finding(shared.place, _may_use(SHM, shared.size, have), _SMALLER)


def memory_volumes_fit_in_manifests(step: Step) -> Iterator[Finding]:
    """The volumes in memory of a container are together smaller than its memory limit."""
    found, have = _of_container(step), _memory(step)
    used = _exceeding(found, have)
    if used is not None:
        largest = max(found, key=lambda one: one.size)
        yield Finding(largest.place, _may_use(_VOLUMES, used, have), _ALL_SMALLER)


# Reports of working setups start at 1 GiB, so a manifest is not judged by what ftc recommends.
_SMALLEST_SHM = 2**30


def processes_have_shared_memory_in_manifests(run: Run) -> Iterator[Finding]:
    """The processes of a pod, and the workers of their data loaders, have enough shared memory."""
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
    several = (step.devices or 0) >= MANY and (bool(step.launches) or _is_told_processes(step))
    mounts = [(index, one) for index, one in enumerate(step.container.volume_mounts) if _is_shared(one.mount_path)]
    for index, mount in mounts if several else ():
        volume = step.pod.volume(mount.name)
        directory = volume.empty_dir if volume is not None else None
        size = amount(directory.size_limit) if directory is not None and directory.medium == "Memory" else None
        if directory is not None and size is not None and 0 < size < _SMALLEST_SHM:
            message = _too_small(step.devices, directory.size_limit or "")
            yield Finding(step.at("volumeMounts", index), message, "set several GiB, such as 8Gi")
    if (several or workers) and not mounts and not step.pod.spec.host_ipc:
        message = _default((step.devices or 0) if several else 0)
        yield Finding(step.at(), message, "mount an emptyDir with medium: Memory and several GiB there")


def _is_told_processes(step: Step) -> bool:
    """Whether LLaMA-Factory starts several processes, from whatever script: it reads their number from a variable."""
    return (number_in(step.environment.values.get("NPROC_PER_NODE")) or 0) >= MANY


RULES = (
    Rule(
        "FTC302",
        "shared-memory-exceeds-limit",
        shm_fits_in_memory,
        JobSpec,
        in_manifests=(shm_fits_in_memory_in_manifests, Step),
    ),
    Rule(
        "FTC633",
        "memory-volumes-exceed-limit",
        memory_volumes_fit,
        JobSpec,
        in_manifests=(memory_volumes_fit_in_manifests, Step),
    ),
    Rule(
        "FTC634",
        "processes-need-shared-memory",
        processes_have_shared_memory,
        JobSpec,
        Severity.WARNING,
        in_manifests=(processes_have_shared_memory_in_manifests, Run),
    ),
)
