"""The cluster that the job runs on, and its settings for every job."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import (
    BasicAuth,
    DataKey,
    Endpoint,
    Environment,
    Json,
    ObjectName,
    Positive,
    QueueLabel,
    SchedulerName,
    Spec,
    whole,
)

UserId = Annotated[int, Meta(ge=1, le=2**31 - 1, description="The ID of a user other than root.")]


class CaBundle(Spec, frozen=True):
    """PEM certificates of the trusted authorities, in a ConfigMap of the job's namespace.

    They replace those of the image, so the bundle must include the public ones if they are needed.
    """

    config_map: ObjectName
    key: DataKey = "ca.crt"


class Cluster(Spec, frozen=True):
    """Versions decide which fields are emitted; `scheduler` is the name of Volcano's scheduler.

    With `gang_jobs` it also gang-schedules the pods of a batch Job; `kueue_queue` is the LocalQueue in which a batch
    Job waits for Kueue to admit it.

    `hami_with_volcano` says that HAMi is integrated with it. `storage_class` is for claims of one node,
    `shared_storage_class` for claims that nodes share (ReadWriteMany); null is the cluster's default.
    `fetch_timeout_seconds` limits each download; `fetch_cpu` and `fetch_memory_gib` are the resources of the containers
    that download and publish.

    `security` is the Pod Security Standard that the namespace enforces. With restricted, every container runs as
    `run_as_user` (default 1000), without capabilities, and gets a writable home. With baseline, null is the image's
    user, and `run_as_user` sets another user with a writable home. `image_pull_secrets` are Secrets with the passwords
    of registries. The pod runs as `service_account`, but does not mount its token: set
    pod.spec.automountServiceAccountToken=true for a program that calls the API server.
    """

    kubernetes: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    volcano: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    scheduler: SchedulerName = "volcano"
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
