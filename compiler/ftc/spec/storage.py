"""The volumes for runs, and for models and datasets."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from ftc.spec.base import AbsolutePath, MountPath, Natural, ObjectName, Quantity, Spec, whole

AccessMode = Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"]
RelativePath = Annotated[
    str,
    Meta(
        pattern=whole(r"(?!(.*/)?\.\.(/|$))[^/\n\x00][^\n\x00]*"), description="A path inside the volume, without '..'."
    ),
]


# The pod's volume is named `more-<name>`, which must be a label of 63 characters at most.
VolumeName = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
        max_length=58,
        description="Lower case letters, digits and '-', starting with a letter.",
    ),
]


class Claim(Spec, frozen=True, tag_field="kind", tag="claim"):
    """An existing PersistentVolumeClaim; `access_mode` is the one with which it was created.

    `size` and `storage_class` are for creating it (`-t storage`).
    """

    mount_path: MountPath
    claim: ObjectName
    access_mode: AccessMode
    sub_path: RelativePath | None = None
    read_only: bool = False
    size: Quantity | None = None
    storage_class: ObjectName | None = None


class JobClaim(Spec, frozen=True, tag_field="kind", tag="job-claim"):
    """A claim that is created for the job and deleted with it."""

    mount_path: MountPath
    size: Quantity
    access_mode: AccessMode = "ReadWriteOnce"
    storage_class: ObjectName | None = None


class PerPod(Spec, frozen=True, tag_field="kind", tag="per-pod"):
    """An emptyDir of the pod, deleted with it; in memory it counts against the pod's limit."""

    mount_path: MountPath
    size: Quantity
    in_memory: bool = False


class PerPodClaim(Spec, frozen=True, tag_field="kind", tag="per-pod-claim"):
    """A claim that is created for each pod and deleted with it (a generic ephemeral volume)."""

    mount_path: MountPath
    size: Quantity
    access_mode: AccessMode = "ReadWriteOnce"
    storage_class: ObjectName | None = None


class Nfs(Spec, frozen=True, tag_field="kind", tag="nfs"):
    """A directory of an NFS server, mounted by each node."""

    mount_path: MountPath
    server: Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9:][-A-Za-z0-9.:]*"), description="A name or an address.")]
    path: AbsolutePath
    sub_path: RelativePath | None = None
    read_only: bool = False


class NodeDirectory(Spec, frozen=True, tag_field="kind", tag="node-directory"):
    """A directory of the node that the pod runs on (hostPath), which remains after the pod."""

    mount_path: MountPath
    path: AbsolutePath
    read_only: bool = False


class InWorkspace(Spec, frozen=True, tag_field="kind", tag="directory"):
    """A directory on the workspace's volume."""

    path: AbsolutePath


PodVolume: TypeAlias = Claim | PerPod | PerPodClaim | Nfs | NodeDirectory
Volume: TypeAlias = Claim | JobClaim | PerPod | PerPodClaim | Nfs | NodeDirectory
CacheVolume: TypeAlias = Claim | PerPod | PerPodClaim | Nfs | NodeDirectory | InWorkspace


class Storage(Spec, frozen=True):
    """`workspace` holds the output of runs; `cache` keeps models and datasets between runs.

    `more` are further volumes by name, for sources on them.
    A run fails at once if the workspace has less than `min_free_gib` free. Each pod copies the model into /dev/shm
    before it trains, for which `model_in_memory_gib` are added to the hardware's size; 0 disables the copy.
    """

    workspace: Volume
    cache: CacheVolume
    more: dict[VolumeName, PodVolume] = {}
    min_free_gib: Natural = 1
    model_in_memory_gib: Natural = 0
