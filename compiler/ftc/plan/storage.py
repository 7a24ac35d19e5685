"""Where the run's directories lie: volumes of the pod, their mounts, and whether nodes share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftc.spec.storage import Claim, InWorkspace, JobClaim, PerPod, Storage, Volume

if TYPE_CHECKING:
    from ftc.spec.base import Json

WORKSPACE = "workspace"
CACHE = "cache"


def is_shared(volume: Volume) -> bool:
    """Whether several nodes see the same files."""
    match volume:
        case Claim() | JobClaim():
            return volume.access_mode == "ReadWriteMany"
        case PerPod():
            return False
        case _:
            assert_never(volume)


def cache_volume(storage: Storage) -> Volume:
    """The volume that the cache lies on."""
    return storage.workspace if isinstance(storage.cache, InWorkspace) else storage.cache


def cache_directory(storage: Storage) -> str:
    """The directory that the cache lies in."""
    return storage.cache.path if isinstance(storage.cache, InWorkspace) else storage.cache.mount_path


def volumes(storage: Storage) -> list[Json]:
    """The pod's volumes; a claim that lives with the job is the target's to make."""
    return [{"name": name, **_source(volume)} for name, volume in _mounted(storage) if not isinstance(volume, JobClaim)]


def mounts(storage: Storage) -> list[Json]:
    """The mounts of a container, of an init container too: a source may lie on either volume."""
    return [_mount(name, volume) for name, volume in _mounted(storage) if not isinstance(volume, JobClaim)]


def _mounted(storage: Storage) -> list[tuple[str, Volume]]:
    found: list[tuple[str, Volume]] = [(WORKSPACE, storage.workspace)]
    return found if isinstance(storage.cache, InWorkspace) else [(CACHE, storage.cache), *found]


def _mount(name: str, volume: Volume) -> Json:
    sub_path = {"subPath": volume.sub_path} if isinstance(volume, Claim) and volume.sub_path else {}
    return {"name": name, "mountPath": volume.mount_path, **sub_path}


def _source(volume: Claim | PerPod) -> Json:
    match volume:
        case Claim():
            return {"persistentVolumeClaim": {"claimName": volume.claim}}
        case PerPod():
            return {"emptyDir": {"sizeLimit": volume.size}}
        case _:
            assert_never(volume)
