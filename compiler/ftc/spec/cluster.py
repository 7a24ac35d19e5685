"""The cluster that the job is created on, and what its platform gives to every job."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import BasicAuth, DataKey, Endpoint, Environment, Json, ObjectName, Positive, QueueLabel, Spec, whole

UserId = Annotated[int, Meta(ge=1, le=2**31 - 1, description="The number of a user that is not root.")]


class CaBundle(Spec, frozen=True):
    """Certificates (PEM) of the authorities to trust, in a ConfigMap of the job's namespace.

    They take the place of the image's own, so the bundle holds the public ones too where those are needed.
    """

    config_map: ObjectName
    key: DataKey = "ca.crt"


class Cluster(Spec, frozen=True):
    """Versions gate what is emitted; `scheduler` is the name that Volcano's scheduler goes by.

    `gang_jobs` has it start the pods of a batch Job together too; `kueue_queue` is the LocalQueue in which a batch Job
    waits for Kueue to admit it.

    `hami_with_volcano` says that the platform wired HAMi to it. `storage_class` is that of a claim for one node,
    `shared_storage_class` that of a claim for several (ReadWriteMany); null is the cluster's default.
    `fetch_timeout_seconds` bounds each download; `fetch_cpu` and `fetch_memory_gib` are what the container has that
    does it, and the one that publishes.

    `security` is the Pod Security Standard that the namespace enforces. restricted runs every container as the user
    `run_as_user` (1000 if it is null), with no capabilities, and gives it a directory to write to; a `run_as_user` does
    the same for the user under baseline, where null is the user of the image. `image_pull_secrets` are Secrets with
    the passwords of registries. The pod runs as `service_account`, but gets no token of it: set
    pod.spec.automountServiceAccountToken=true for a program that calls the API server.
    """

    kubernetes: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    volcano: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    scheduler: ObjectName = "volcano"
    queue: ObjectName = "default"
    priority_class: ObjectName | None = None
    gang_jobs: bool = False
    kueue_queue: QueueLabel | None = None
    hami_with_volcano: bool = False
    storage_class: ObjectName | None = None
    shared_storage_class: ObjectName | None = None
    git_credentials: BasicAuth | None = None
    hub_endpoint: Endpoint | None = None
    mlflow_uri: Endpoint | None = None
    ca_bundle: CaBundle | None = None
    fetch_timeout_seconds: Positive = 7200
    fetch_cpu: Positive = 2
    fetch_memory_gib: Positive = 4
    security: Literal["baseline", "restricted"] = "baseline"
    run_as_user: UserId | None = None
    service_account: ObjectName | None = None
    image_pull_secrets: tuple[ObjectName, ...] = ()
    env: Environment = {}
    pod: Json = {}
