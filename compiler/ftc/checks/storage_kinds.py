"""Rules on what volumes are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.plan.quantity import quantity
from ftc.spec.source import OnVolume
from ftc.spec.storage import Claim, InWorkspace, Nfs, NodeDirectory, PerPod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec
    from ftc.spec.storage import Volume

_GIB = 1024**3


def _volumes(spec: JobSpec) -> dict[tuple[str, ...], Volume]:
    """The volumes by where each stands in the spec."""
    storage = spec.storage
    found: dict[tuple[str, ...], Volume] = {("storage", "workspace"): storage.workspace}
    if not isinstance(storage.cache, InWorkspace):
        found["storage", "cache"] = storage.cache
    return found | {("storage", "more", name): volume for name, volume in storage.more.items()}


def claim_has_a_size(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """A claim that is to be made has a size.

    The API server refuses one that requests no storage (Kubernetes, PersistentVolumeClaim: spec.resources).

    Wrong: storage.workspace.size=null
    Right: storage.workspace.size=200Gi
    """
    if not run.claims:
        message = "names no claim that exists: there is none to make"
        yield Finding(("storage",), message, "leave -t storage out, or use storage=shared")
    for path, volume in _volumes(spec).items():
        if isinstance(volume, Claim) and volume.size is None:
            yield Finding((*path, "size"), f"the claim '{volume.claim}' has none", "set it: 100Gi")


def memory_volumes_fit(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Directories in memory leave room for the processes.

    Their pages count against the container's limit, as those of /dev/shm do (Kubernetes, volumes: emptyDir): a run that
    fills them is killed.

    Wrong: storage=in-memory storage.workspace.size=60Gi
    Right: storage=in-memory storage.workspace.size=20Gi
    """
    hardware = spec.hardware
    limit = hardware.memory_gib_per_device * spec.devices
    shm = hardware.shm_gib_per_device * spec.devices
    found = {p: v for p, v in _volumes(spec).items() if isinstance(v, PerPod) and v.in_memory}
    taken = sum((quantity(volume.size) for volume in found.values()), start=quantity(0)) / _GIB + shm
    if found and taken >= limit:
        message = f"directories in memory and /dev/shm take {taken:.0f} GiB of the {limit} GiB of the container"
        yield Finding((*next(iter(found)), "size"), message, "make it smaller, or raise hardware.memory_gib_per_device")


def written_volumes_can_be_written(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Runs can write to the workspace, and downloads to the cache.

    On a read-only mount the first step ends with `Read-only file system`.

    Wrong: storage.workspace.read_only=true
    Right: storage.workspace.read_only=false
    """
    owners = [owner for owner in (spec.model, spec.dataset) if owner is not None]
    fetches = any(not isinstance(owner.source, OnVolume) for owner in owners)
    written = {("storage", "workspace")} | ({("storage", "cache")} if fetches else set())
    for path, volume in _volumes(spec).items():
        shut = isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only
        shut = shut or (isinstance(volume, Claim) and volume.access_mode == "ReadOnlyMany")
        if shut and path in written:
            yield Finding(
                path, "is read-only, and the run writes to it", "set read_only=false, or choose another volume"
            )


RULES = (
    Rule("FTC241", claim_has_a_size, target="storage"),
    Rule("FTC242", memory_volumes_fit),
    Rule("FTC243", written_volumes_can_be_written),
)
