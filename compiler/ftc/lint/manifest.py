"""The manifests that lint judges, as types: no more fields than the rules read.

What does not fit the schemas is taken out before (`lint/fitting.py`), so that a conversion is total.
"""

from __future__ import annotations

import msgspec

from ftc.lint.pod_manifest import Manifest, Metadata, Template
from ftc.spec.base import Json


class ClaimSpec(Manifest, frozen=True):
    """What a claim asks for."""

    access_modes: tuple[str, ...] = ()


class Policy(Manifest, frozen=True):
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


class DependsOn(Manifest, frozen=True):
    """Tasks that come first."""

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


class BatchSpec(Manifest, frozen=True):
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


class ServiceSpec(Manifest, frozen=True):
    """Who is behind a Service."""

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


class ConfigMap(Manifest, frozen=True):
    """A ConfigMap."""

    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


class VolcanoJob(Manifest, frozen=True):
    """A Job of batch.volcano.sh."""

    metadata: Metadata = Metadata()
    spec: VolcanoSpec = VolcanoSpec()


class BatchJob(Manifest, frozen=True):
    """A Job of batch."""

    metadata: Metadata = Metadata()
    spec: BatchSpec = BatchSpec()
