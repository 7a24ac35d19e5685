"""The volumes of the run's directories, their mounts, and whether nodes share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.plan.kubernetes import quantity
from ftc.spec.storage import (
    Claim,
    InWorkspace,
    JobClaim,
    Nfs,
    NodeDirectory,
    PerPod,
    PerPodClaim,
    PodVolume,
    Storage,
    Volume,
)

if TYPE_CHECKING:
    from ftc.spec.base import Json

WORKSPACE = "workspace"
CACHE = "cache"


def is_shared(volume: Volume) -> bool:
    """Whether several nodes see the same files."""
    match volume:
        case Claim() | JobClaim():
            return volume.access_mode in ("ReadWriteMany", "ReadOnlyMany")
        case Nfs():
            return True
        case PerPod() | PerPodClaim() | NodeDirectory():
            return False
        case _:
            assert_never(volume)


def keeps_downloads(volume: Volume) -> bool:
    """Whether another job can fill the volume for the nodes of this one."""
    match volume:
        case Claim():
            return not volume.read_only and volume.access_mode != "ReadOnlyMany"
        case Nfs():
            return not volume.read_only
        case JobClaim() | PerPod() | PerPodClaim() | NodeDirectory():
            return False
        case _:
            assert_never(volume)


def cache_volume(storage: Storage) -> Volume:
    """The volume that contains the cache."""
    return storage.workspace if isinstance(storage.cache, InWorkspace) else storage.cache


def cache_directory(storage: Storage) -> str:
    """The directory of the cache."""
    return storage.cache.path if isinstance(storage.cache, InWorkspace) else storage.cache.mount_path


def downloads_in_memory(storage: Storage) -> int:
    """The bytes of the pod's memory that downloads may take if the cache is in memory, else 0."""
    volume = cache_volume(storage)
    return int(quantity(volume.size)) if isinstance(volume, PerPod) and volume.in_memory else 0


def volumes(storage: Storage) -> list[Json]:
    """The pod's volumes; a target creates the claim that lives with the job."""
    return [{"name": name, **_source(volume)} for name, volume in mounted(storage) if not isinstance(volume, JobClaim)]


def mounts(storage: Storage) -> list[Json]:
    """The mounts of every container, including init containers: a source may be on either volume."""
    return [_mount(name, volume) for name, volume in mounted(storage) if not isinstance(volume, JobClaim)]


def mounted(storage: Storage) -> list[tuple[str, Volume]]:
    """The volumes of a run with their names in the pod."""
    found: list[tuple[str, Volume]] = [(WORKSPACE, storage.workspace)]
    found = found if isinstance(storage.cache, InWorkspace) else [(CACHE, storage.cache), *found]
    return [*found, *((f"more-{name}", volume) for name, volume in storage.more.items())]


def _mount(name: str, volume: PodVolume) -> Json:
    sub_path = {"subPath": volume.sub_path} if isinstance(volume, Claim | Nfs) and volume.sub_path else {}
    read_only = {"readOnly": True} if isinstance(volume, Claim | Nfs | NodeDirectory) and volume.read_only else {}
    return {"name": name, "mountPath": volume.mount_path, **sub_path, **read_only}


def _source(volume: PodVolume) -> Json:
    match volume:
        case Claim():
            return {"persistentVolumeClaim": {"claimName": volume.claim}}
        case PerPod():
            return {"emptyDir": {**({"medium": "Memory"} if volume.in_memory else {}), "sizeLimit": volume.size}}
        case PerPodClaim():
            spec = claim_spec(volume.access_mode, volume.storage_class, volume.size)
            return {"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
        case Nfs():
            return {"nfs": {"server": volume.server, "path": volume.path}}
        case NodeDirectory():
            return {"hostPath": {"path": volume.path, "type": "DirectoryOrCreate"}}
        case _:
            assert_never(volume)


def claim_spec(access_mode: str, storage_class: str | None, size: str) -> Json:
    """The spec of a PersistentVolumeClaim."""
    named = {"storageClassName": storage_class} if storage_class else {}
    return {"accessModes": [access_mode], **named, "resources": {"requests": {"storage": size}}}


def claims(storage: Storage) -> dict[str, Claim]:
    """The claims that must exist, by name."""
    return {volume.claim: volume for _, volume in mounted(storage) if isinstance(volume, Claim)}
