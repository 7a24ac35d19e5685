"""The facts about a run that a user checks before submitting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import BoundRun


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """The processes: `min_nodes` start it, together if `gang`.

    `resource` counts devices (null on the CPU), `master` is rank 0's name.
    """

    nodes: int
    min_nodes: int
    gang: bool
    devices: int
    processes: int
    resource: str | None
    launcher: str
    engine: str
    master: str
    rank_0: str
    port: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The input of an optimizer step; `steps` is null if it depends on the rows, and `steps_at_most` may bound it.

    `rows` are those that an epoch has at most, null if unknown, `steps_per_epoch` the steps for them. If rows are
    `packed`, a sequence holds several. An elastic run with fewer nodes has fewer processes.
    """

    per_device: int
    accumulation: int
    processes: int
    sequences: int
    cutoff_length: int
    packed: bool
    epochs: float | None
    steps: int | None
    rows: int | None
    steps_per_epoch: int | None
    steps_at_most: int | None


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate in MiB per device, by term, or why it is unknown; `device_mib` is the size of a device, if known.

    `assumed` completes "with …".
    """

    device_mib: int | None
    total_mib: int | None = None
    terms_mib: dict[str, int] = {}
    assumed: str = ""
    unknown: str | None = None


class HostMemory(msgspec.Struct, frozen=True):
    """The largest known need for memory of a container, in MiB, and its purpose."""

    need_mib: int
    purpose: str


class Container(msgspec.Struct, frozen=True):
    """A container of the pod with its image and limits."""

    name: str
    image: str
    limits: dict[str, str]


class Volume(msgspec.Struct, frozen=True):
    """A volume: `holds` is its kind and name, `gone_with` what its files are lost with, null if they are kept."""

    name: str
    path: str
    holds: str
    access: str
    gone_with: str | None


class Fetched(msgspec.Struct, frozen=True):
    """A source: its origin, its directory, and who downloads it."""

    name: str
    kind: str
    origin: str
    revision: str
    directory: str
    by: str


class Stage(msgspec.Struct, frozen=True):
    """A step of a pod, in order: its nodes, what it runs, and the place of its result."""

    name: str
    nodes: str
    runs: str
    leaves: str | None


class Secret(msgspec.Struct, frozen=True):
    """A Secret, the keys of it that are read, and the containers that read them."""

    name: str
    keys: tuple[str, ...]
    containers: tuple[str, ...]


class Requirement(msgspec.Struct, frozen=True):
    """An object that must exist before the run, or an image that the nodes must be able to pull."""

    kind: str
    name: str
    about: str


class NodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """The CPUs and memory of a usual node with this hardware, and the requests of a pod."""

    cpu: int
    memory_gib: int
    pod_cpu: float
    pod_memory_gib: float


class Default(msgspec.Struct, frozen=True):
    """A field that the manifest leaves out, and the value that the cluster gives it."""

    field: str
    value: str


class OfTarget(msgspec.Struct, frozen=True):
    """The part that depends on the target: the address of rank 0, the effect of a failure, the server's defaults.

    `queue` is the kind and the name of the queue that must exist, if any. `gang` says whether something starts the pods
    together; a pod waits `name_seconds` for the name of rank 0.
    """

    master: str
    rank_0: str
    on_failure: str
    defaults: tuple[Default, ...]
    queue: tuple[str, str] | None
    gang: bool = True
    name_seconds: int = 300  # scripts/prepare.sh


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run; `name` ends in `xxxxx` if the cluster chooses the suffix. Times are in seconds.

    `run_as_user` is null for the user of the image, `service_account` for the default one of the namespace.
    """

    name: str
    namespace: str | None
    queue: str
    what: str
    versions: dict[str, str]
    topology: Topology
    batch: Batch | None
    memory: DeviceMemory
    host: HostMemory | None
    containers: tuple[Container, ...]
    run_as_user: int | None
    service_account: str | None
    shm: str | None
    run_directory: str
    volumes: tuple[Volume, ...]
    fetches: tuple[Fetched, ...]
    environment: dict[str, str]
    stages: tuple[Stage, ...]
    seconds: dict[str, int]
    restarts: int
    on_failure: str
    defaults: tuple[Default, ...]
    secrets: tuple[Secret, ...]
    requires: tuple[Requirement, ...]
    node: NodeUse | None
    metrics: tuple[str, ...]


def of_job(run: BoundRun, template: str = "template") -> Iterator[Default]:
    """The defaults of the object and of the pod (Kubernetes, pkg/apis/core/v1, defaults.go)."""
    body = run.pod.content["spec"]
    if run.ttl_seconds_after_finished is None:
        yield Default("ttlSecondsAfterFinished", "never: the job is kept until it is deleted")
    if run.namespace is None:
        yield Default("metadata.namespace", "the submitter's current namespace")
    if "priorityClassName" not in body:
        yield Default(f"{template}.spec.priorityClassName", "the cluster's default")
    if run.job_claim is not None and run.job_claim.storage_class is None:
        yield Default("ephemeral.volumeClaimTemplate.spec.storageClassName", "the cluster's default")
    if "terminationGracePeriodSeconds" not in body:
        yield Default(f"{template}.spec.terminationGracePeriodSeconds", "30")
