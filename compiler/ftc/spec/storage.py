"""Where runs write and where models and datasets are kept."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import AbsolutePath, Natural, ObjectName, Quantity, Spec, whole

AccessMode = Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]
RelativePath = Annotated[
    str,
    Meta(
        pattern=whole(r"(?!(.*/)?\.\.(/|$))[^/\n\x00][^\n\x00]*"), description="A path inside the volume, without '..'."
    ),
]


class Claim(Spec, frozen=True, tag_field="kind", tag="claim"):
    """A PersistentVolumeClaim that exists; `access_mode` is the one it was made with."""

    mount_path: AbsolutePath
    claim: ObjectName
    access_mode: AccessMode
    sub_path: RelativePath | None = None


class JobClaim(Spec, frozen=True, tag_field="kind", tag="job-claim"):
    """A claim that is made for the job and deleted with it."""

    mount_path: AbsolutePath
    size: Quantity
    access_mode: AccessMode = "ReadWriteOnce"
    storage_class: ObjectName | None = None


class PerPod(Spec, frozen=True, tag_field="kind", tag="per-pod"):
    """A directory of the pod's own (emptyDir), gone with the pod."""

    mount_path: AbsolutePath
    size: Quantity


class InWorkspace(Spec, frozen=True, tag_field="kind", tag="directory"):
    """A directory of the workspace's volume."""

    path: AbsolutePath


Volume: TypeAlias = Claim | JobClaim | PerPod
CacheVolume: TypeAlias = Claim | PerPod | InWorkspace


class Storage(Spec, frozen=True):
    """`workspace` is where runs write; `cache` keeps models and datasets between runs.

    A run that finds less than `min_free_gib` on the workspace ends at once.
    """

    workspace: Volume
    cache: CacheVolume
    min_free_gib: Natural = 1
