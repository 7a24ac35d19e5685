"""The manifests that lint judges, as types: no more fields than the rules read.

What does not fit the schemas is taken out before (`lint/structure.py`), so that a conversion is total.
"""

from __future__ import annotations

import msgspec

from ftc.spec.base import Json


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """Kubernetes' spelling of names."""


class Metadata(_Manifest, frozen=True):
    """Of an object or of a pod template."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class KeyRef(_Manifest, frozen=True):
    """A key of a Secret or a ConfigMap."""

    name: str = ""
    key: str = ""


class FieldRef(_Manifest, frozen=True):
    """A field of the pod."""

    field_path: str = ""


class EnvSource(_Manifest, frozen=True):
    """Where a variable's value comes from."""

    field_ref: FieldRef | None = None
    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None


class EnvVar(_Manifest, frozen=True):
    """A variable of a container."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class Resources(_Manifest, frozen=True):
    """What a container may use."""

    limits: dict[str, str | int | float] = {}
    requests: dict[str, str | int | float] = {}


class Mount(_Manifest, frozen=True):
    """A volume in a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False


class Port(_Manifest, frozen=True):
    """A port of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"


class Container(_Manifest, frozen=True):
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
    security_context: Json = {}
    restart_policy: str = ""


class KeyToPath(_Manifest, frozen=True):
    """One key of a Secret or a ConfigMap as a file."""

    key: str = ""
    path: str = ""


class ConfigMapVolume(_Manifest, frozen=True):
    """The keys of a ConfigMap as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class DownwardFile(_Manifest, frozen=True):
    """A field of the pod as a file."""

    path: str = ""
    field_ref: FieldRef | None = None


class DownwardVolume(_Manifest, frozen=True):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()


class EmptyDir(_Manifest, frozen=True):
    """A directory of the pod's own."""

    medium: str = ""
    size_limit: str | int | float | None = None


class ClaimVolume(_Manifest, frozen=True):
    """A claim that exists."""

    claim_name: str = ""


class ClaimSpec(_Manifest, frozen=True):
    """What a claim asks for."""

    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"


class Volume(_Manifest, frozen=True):
    """A volume of a pod; one of the sources is set, or another that the rules do not look into."""

    name: str = ""
    empty_dir: EmptyDir | None = None
    persistent_volume_claim: ClaimVolume | None = None
    config_map: ConfigMapVolume | None = None
    downward_api: DownwardVolume | None = msgspec.field(default=None, name="downwardAPI")


class PodSpec(_Manifest, frozen=True):
    """A pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = ""
    scheduler_name: str = ""
    hostname: str = ""
    subdomain: str = ""
    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Json = {}
    topology_spread_constraints: tuple[Json, ...] = ()
    host_network: bool = False
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    set_hostname_as_fqdn: bool = msgspec.field(default=False, name="setHostnameAsFQDN")


class Template(_Manifest, frozen=True):
    """What pods are made of."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class Policy(_Manifest, frozen=True):
    """What Volcano does on an event or an exit code."""

    action: str = ""
    event: str = ""
    events: tuple[str, ...] = ()
    exit_code: int | None = None
    timeout: str = ""

    @property
    def all_events(self) -> tuple[str, ...]:
        """Of both spellings."""
        return (*((self.event,) if self.event else ()), *self.events)


class DependsOn(_Manifest, frozen=True):
    """Tasks that come first."""

    name: tuple[str, ...] = ()


class PartitionPolicy(_Manifest, frozen=True):
    """Groups of a task's pods."""

    total_partitions: int = 0
    partition_size: int = 0
    min_partitions: int = 0


class Task(_Manifest, frozen=True):
    """Pods of one template in a VolcanoJob."""

    name: str = ""
    replicas: int | None = None
    min_available: int | None = None
    max_retry: int | None = None
    policies: tuple[Policy, ...] = ()
    depends_on: DependsOn = DependsOn()
    partition_policy: PartitionPolicy | None = None
    template: Template = Template()


class JobVolume(_Manifest, frozen=True):
    """A volume that Volcano mounts into every container of the job."""

    mount_path: str = ""
    volume_claim_name: str = ""
    volume_claim: ClaimSpec | None = None


class VolcanoSpec(_Manifest, frozen=True):
    """A VolcanoJob."""

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


class BatchSpec(_Manifest, frozen=True):
    """A Job of Kubernetes itself."""

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


class ServiceSpec(_Manifest, frozen=True):
    """Who is behind a Service."""

    selector: dict[str, str] = {}
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    publish_not_ready_addresses: bool = False


class Service(_Manifest, frozen=True):
    """A Service."""

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class Claim(_Manifest, frozen=True):
    """A PersistentVolumeClaim."""

    metadata: Metadata = Metadata()
    spec: ClaimSpec = ClaimSpec()


class ConfigMap(_Manifest, frozen=True):
    """A ConfigMap."""

    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


class VolcanoJob(_Manifest, frozen=True):
    """A Job of batch.volcano.sh."""

    metadata: Metadata = Metadata()
    spec: VolcanoSpec = VolcanoSpec()


class BatchJob(_Manifest, frozen=True):
    """A Job of batch."""

    metadata: Metadata = Metadata()
    spec: BatchSpec = BatchSpec()
