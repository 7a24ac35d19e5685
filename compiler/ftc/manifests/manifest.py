"""The types of the manifests that lint checks, with only the fields that the rules read.

Optional fields have a default here; the schema of an object checks its required fields.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.accelerators import kinds
from ftc.plan.kubernetes import quantity
from ftc.spec.base import Json

if TYPE_CHECKING:
    from decimal import Decimal


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """The camel case of Kubernetes fields."""


class Metadata(Manifest, frozen=True):
    """The metadata of an object or of a pod template."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class KeyRef(Manifest, frozen=True):
    """A key of a Secret or a ConfigMap."""

    name: str = ""
    key: str = ""


class FieldRef(Manifest, frozen=True):
    """A field of the pod."""

    field_path: str = ""


class EnvSource(Manifest, frozen=True):
    """The source of a variable's value."""

    field_ref: FieldRef | None = None
    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None


class EnvVar(Manifest, frozen=True):
    """A variable of a container."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class Resources(Manifest, frozen=True):
    """The resources of a container."""

    limits: dict[str, str | int | float] = {}
    requests: dict[str, str | int | float] = {}


class Mount(Manifest, frozen=True):
    """A volume in a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    read_only: bool = False


class Port(Manifest, frozen=True):
    """A port of a container."""

    name: str = ""
    container_port: int = 0
    host_port: int = 0


class Container(Manifest, frozen=True):
    """A container or an init container."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[Json, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[Mount, ...] = ()
    restart_policy: str = ""
    security_context: Json = {}


class KeyToPath(Manifest, frozen=True):
    """One key of a Secret or a ConfigMap as a file."""

    key: str = ""
    path: str = ""


class ConfigMapVolume(Manifest, frozen=True):
    """The keys of a ConfigMap as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class DownwardFile(Manifest, frozen=True):
    """A field of the pod as a file."""

    path: str = ""
    field_ref: FieldRef | None = None


class DownwardVolume(Manifest, frozen=True):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()


class EmptyDir(Manifest, frozen=True):
    """An emptyDir volume."""

    medium: str = ""
    size_limit: str | int | float | None = None


class ClaimVolume(Manifest, frozen=True):
    """An existing claim as a volume."""

    claim_name: str = ""


class Volume(Manifest, frozen=True):
    """A volume of a pod; it has one of these sources, or another that the rules do not read."""

    name: str = ""
    empty_dir: EmptyDir | None = None
    persistent_volume_claim: ClaimVolume | None = None
    config_map: ConfigMapVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")


class PodSpec(Manifest, frozen=True):
    """A pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = ""
    scheduler_name: str = ""
    subdomain: str = ""
    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Json = {}
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")


class Template(Manifest, frozen=True):
    """The template of pods."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class ClaimSpec(Manifest, frozen=True):
    """The spec of a claim."""

    access_modes: tuple[str, ...] = ()


class Policy(Manifest, frozen=True):
    """Volcano's action on an event or an exit code."""

    action: str = ""
    event: str = ""
    events: tuple[str, ...] = ()
    exit_code: int | None = None
    timeout: str = ""

    @property
    def all_events(self) -> tuple[str, ...]:
        """The events in `event` and `events`."""
        return (*((self.event,) if self.event else ()), *self.events)


class DependsOn(Manifest, frozen=True):
    """The tasks that must start first."""

    name: tuple[str, ...] = ()


class PartitionPolicy(Manifest, frozen=True):
    """Groups of a task's pods."""

    total_partitions: int = 0
    partition_size: int = 0
    min_partitions: int = 0


class Task(Manifest, frozen=True):
    """Pods of one template in a VolcanoJob."""

    name: str = ""
    replicas: int | None = None
    min_available: int | None = None
    policies: tuple[Policy, ...] = ()
    depends_on: DependsOn = DependsOn()
    partition_policy: PartitionPolicy | None = None
    template: Template = Template()


class JobVolume(Manifest, frozen=True):
    """A volume that Volcano mounts into every container of the job."""

    mount_path: str = ""
    volume_claim_name: str = ""
    volume_claim: ClaimSpec | None = None


class VolcanoSpec(Manifest, frozen=True):
    """The spec of a VolcanoJob."""

    scheduler_name: str = ""
    min_available: int | None = None
    min_success: int | None = None
    queue: str = ""
    max_retry: int | None = None
    ttl_seconds_after_finished: int | None = None
    plugins: dict[str, tuple[str, ...]] = {}
    policies: tuple[Policy, ...] = ()
    volumes: tuple[JobVolume, ...] = ()
    network_topology: Json = {}
    tasks: tuple[Task, ...] = ()


class BatchSpec(Manifest, frozen=True):
    """The spec of a batch Job."""

    completions: int | None = None
    parallelism: int | None = None
    completion_mode: str = "NonIndexed"
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    pod_failure_policy: Json | None = None
    pod_replacement_policy: str = ""
    success_policy: Json | None = None
    managed_by: str = ""
    ttl_seconds_after_finished: int | None = None
    template: Template = Template()


class ServiceSpec(Manifest, frozen=True):
    """The spec of a Service."""

    selector: dict[str, str] = {}
    cluster_ip: str = msgspec.field(default="", name="clusterIP")


class Service(Manifest, frozen=True):
    """A Service."""

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class Claim(Manifest, frozen=True):
    """A PersistentVolumeClaim."""

    metadata: Metadata = Metadata()
    spec: ClaimSpec = ClaimSpec()


class QueueSpec(Manifest, frozen=True):
    """The spec of a queue of Volcano."""

    capability: dict[str, str | int | float] = {}


class Queue(Manifest, frozen=True):
    """A queue of Volcano."""

    metadata: Metadata = Metadata()
    spec: QueueSpec = QueueSpec()


class ConfigMap(Manifest, frozen=True):
    """A ConfigMap."""

    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


class VolcanoJob(Manifest, frozen=True):
    """A VolcanoJob."""

    metadata: Metadata = Metadata()
    spec: VolcanoSpec = VolcanoSpec()


class BatchJob(Manifest, frozen=True):
    """A batch Job."""

    metadata: Metadata = Metadata()
    spec: BatchSpec = BatchSpec()


_FORM = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?")


_LONGEST = 40


_MOST = 1_000_000


def amount(value: str | float | None) -> Decimal | None:
    """The number that a quantity denotes; None if it is not a quantity."""
    text = "" if value is None else str(value)
    return quantity(text) if len(text) <= _LONGEST and _FORM.fullmatch(text) else None


def whole(value: str | float | None) -> int | None:
    """The quantity as a whole number; None if it is not one."""
    number = amount(value)
    return int(number) if number is not None and number == number.to_integral_value() and abs(number) < _MOST else None


def requested_devices(container: Container) -> list[str]:
    """The device resources that a container requests; a limit without a request counts, a quantity of 0 does not."""
    return [name for name in requested(container) if name in kinds()]


def requested(container: Container) -> dict[str, Any]:
    """The resources that a container requests or limits, except those of which it takes 0."""
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return {name: value for name, value in resources.items() if amount(value) != 0}


def count(container: Container) -> int | None:
    """The number of devices of a container, if it requests a whole number of a single kind."""
    names = requested_devices(container)
    resources: dict[str, Any] = {**container.resources.requests, **container.resources.limits}
    return whole(resources[names[0]]) if len(names) == 1 else None


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts


def is_below(path: str, directory: str) -> bool:
    """Whether a path is that of a directory or of something in it, as `PurePath.is_relative_to` says."""
    inner, outer = _parts(path), _parts(directory)
    return inner[: len(outer)] == outer if outer else not path.startswith("/")
