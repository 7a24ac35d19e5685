"""The volumes for runs, and for models and datasets."""

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
    """An existing PersistentVolumeClaim."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    claim: ObjectName
    """The name of the PersistentVolumeClaim."""
    access_mode: AccessMode
    """The access mode with which the claim was created."""
    sub_path: RelativePath | None = None
    """The directory of the volume that is mounted; null mounts all of it."""
    read_only: bool = False
    """Whether the volume is mounted without permission to write."""
    size: Quantity | None = None
    """The size with which `ftc compile -t storage` creates the claim."""
    storage_class: ObjectName | None = None
    """The StorageClass with which `ftc compile -t storage` creates the claim; null is the cluster's."""


class JobClaim(Spec, frozen=True, tag_field="kind", tag="job-claim"):
    """A claim that is created for the job and deleted with it."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    size: Quantity
    """The size of the claim."""
    access_mode: AccessMode = "ReadWriteOnce"
    """The access mode of the claim."""
    storage_class: ObjectName | None = None
    """The StorageClass of the claim; null is the cluster's."""


class PerPod(Spec, frozen=True, tag_field="kind", tag="per-pod"):
    """An emptyDir of the pod, deleted with it; in memory it counts against the pod's limit."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    size: Quantity
    """The size at which Kubernetes evicts the pod, or, in memory, the size of the volume."""
    in_memory: bool = False
    """Whether the volume is in memory. It then counts against the memory limit of the pod."""


class PerPodClaim(Spec, frozen=True, tag_field="kind", tag="per-pod-claim"):
    """A claim that is created for each pod and deleted with it (a generic ephemeral volume)."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    size: Quantity
    """The size of the claim."""
    access_mode: AccessMode = "ReadWriteOnce"
    """The access mode of the claim."""
    storage_class: ObjectName | None = None
    """The StorageClass of the claim; null is the cluster's."""


class Nfs(Spec, frozen=True, tag_field="kind", tag="nfs"):
    """A directory of an NFS server, mounted by each node."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    server: Annotated[str, Meta(pattern=whole(r"[A-Za-z0-9:][-A-Za-z0-9.:]*"), description="A name or an address.")]
    """The name or the address of the server."""
    path: AbsolutePath
    """The exported directory of the server."""
    sub_path: RelativePath | None = None
    """The directory below `path` that is mounted; null mounts all of it."""
    read_only: bool = False
    """Whether the volume is mounted without permission to write."""


class NodeDirectory(Spec, frozen=True, tag_field="kind", tag="node-directory"):
    """A directory of the node that the pod runs on (hostPath), which remains after the pod."""

    mount_path: MountPath
    """The directory of the pod at which the volume is mounted."""
    path: AbsolutePath
    """The directory of the node."""
    read_only: bool = False
    """Whether the volume is mounted without permission to write."""


class InWorkspace(Spec, frozen=True, tag_field="kind", tag="directory"):
    """A directory on the workspace's volume."""

    path: AbsolutePath
    """The directory in the pod, at or below the mount path of the workspace."""


PodVolume: TypeAlias = Claim | PerPod | PerPodClaim | Nfs | NodeDirectory
Volume: TypeAlias = Claim | JobClaim | PerPod | PerPodClaim | Nfs | NodeDirectory
CacheVolume: TypeAlias = Claim | PerPod | PerPodClaim | Nfs | NodeDirectory | InWorkspace


class Storage(Spec, frozen=True):
    """The volumes for the output of runs, and for models and datasets."""

    workspace: Volume
    """The volume for the output of runs: each run has a directory there."""
    cache: CacheVolume
    """The volume that keeps models and datasets between runs."""
    more: dict[VolumeName, PodVolume] = {}
    """Further volumes by name, for sources on them."""
    min_free_gib: Natural = 1
    """The free space that the workspace must have when a run starts; 0 disables the check."""
    model_in_memory_gib: Natural = 0
    """The space in /dev/shm for a copy of the model, which all processes of a node read; 0 disables the copy."""
