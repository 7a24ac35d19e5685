"""What a person wants to know of a run before it is submitted."""

from __future__ import annotations

import msgspec


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs: `min_nodes` begin; `resource` counts the devices, null on the CPU; `master` is where the ranks meet."""

    nodes: int
    min_nodes: int
    devices: int
    processes: int
    resource: str | None
    launcher: str
    engine: str
    master: str
    rank_0: str
    port: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of the optimizer sees; `steps` is null where the rows decide, and `steps_at_most` may bound them.

    Where rows are `packed`, a sequence holds several. An elastic run of fewer nodes has fewer processes.
    """

    per_device: int
    accumulation: int
    processes: int
    sequences: int
    cutoff_length: int
    packed: bool
    epochs: float | None
    steps: int | None
    steps_at_most: int | None


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate in MiB a device, by term, or why there is none; `device_mib` is what one has, if that is known."""

    device_mib: int | None
    total_mib: int | None = None
    terms_mib: dict[str, int] = {}
    unknown: str | None = None


class HostMemory(msgspec.Struct, frozen=True):
    """The most that is known to be needed of a container's memory, in MiB, and for what."""

    need_mib: int
    purpose: str


class Container(msgspec.Struct, frozen=True):
    """A container of the pod with its image and limits."""

    name: str
    image: str
    limits: dict[str, str]


class Volume(msgspec.Struct, frozen=True):
    """A volume: `holds` is its kind and name, `gone_with` what takes its files along, null if they stay."""

    name: str
    path: str
    holds: str
    access: str
    gone_with: str | None


class Fetched(msgspec.Struct, frozen=True):
    """A source: where it comes from, where it lies, and who brings it there."""

    name: str
    kind: str
    origin: str
    revision: str
    directory: str
    by: str


class Stage(msgspec.Struct, frozen=True):
    """A step of a pod in its order: on which nodes, what it runs, and where it leaves its result."""

    name: str
    nodes: str
    runs: str
    leaves: str | None


class Secret(msgspec.Struct, frozen=True):
    """A Secret, the keys of it that are read, and by which containers."""

    name: str
    keys: tuple[str, ...]
    containers: tuple[str, ...]


class Default(msgspec.Struct, frozen=True):
    """A field that the manifest leaves out, and what the cluster makes of it."""

    field: str
    value: str


class OfTarget(msgspec.Struct, frozen=True):
    """What holds for the object of one target: where the ranks meet, what a failure does, what the server fills in."""

    master: str
    rank_0: str
    on_failure: str
    defaults: tuple[Default, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run; `name` ends in `xxxxx` if the cluster chooses the end. Times are in seconds.

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
    stages: tuple[Stage, ...]
    seconds: dict[str, int]
    restarts: int
    on_failure: str
    defaults: tuple[Default, ...]
    secrets: tuple[Secret, ...]
    metrics: tuple[str, ...]
