"""The cluster that the job runs on, with its settings for every job, its accelerators and its network."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import (
    PORT,
    AbsolutePath,
    BasicAuth,
    DataKey,
    Endpoint,
    Environment,
    Json,
    LabelKey,
    LabelValue,
    Natural,
    ObjectName,
    Positive,
    QueueLabel,
    ResourceName,
    SchedulerName,
    Spec,
    Text,
    VariableName,
    Version,
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
    of registries. With `serves_adapters: false`, the platform's inference service does not serve a LoRA adapter that is
    not merged. The pod runs as `service_account`, but does not mount its token: set
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
    serves_adapters: bool = True
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


BaseImage = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"),
        description="The address of a container image: registry.example.com/team/image:1.0",
    ),
]
Pin = Annotated[
    str,
    Meta(
        pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*"),
        description="A pip package and its version: torch==2.7.1",
    ),
]
PackageIndex = Annotated[
    str,
    Meta(
        pattern=whole(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:" + PORT + r")?(/[A-Za-z0-9._:/%~-]*)?"),
        description="The address of a package index, without a user or a token.",
    ),
]


class Build(Spec, frozen=True):
    """The base image, and the packages for the hardware.

    `base` is a Debian or Ubuntu image with bash, Python 3.11 or later and pip. `torch` lists PyTorch, torchvision and
    torchaudio from `torch_index`; it is empty if the base has them. `packages` come from pip's default index and take
    precedence over the trainer's pins.
    """

    base: BaseImage
    torch: tuple[Pin, ...] = ()
    torch_index: PackageIndex | None = None
    packages: tuple[Pin, ...] = ()


class Slice(Spec, frozen=True):
    """A share of each device, requested as a separate resource: an integer per device, `max` at most."""

    resource: ResourceName
    quantity: Positive
    max: Positive | None = None


class Profile(Spec, frozen=True):
    """One of the fixed partitions that a device can be cut into."""

    resource: ResourceName
    memory_mib: Positive


class Device(Spec, frozen=True):
    """The resource that the device plugin counts.

    `sharing` says what one unit is: a whole device, a slice of the size that `slices` request, one of the fixed
    partitions in `profiles`, or a time-sliced replica. `allocator` assigns it: the plugin under any scheduler, or one
    specific scheduler. `memory_mib` is the memory of one unit; `per_node` is the maximum per node. If only some numbers
    per node can be scheduled, `counts` lists them, and `counts_across_nodes` those for a job of several nodes.
    """

    resource: ResourceName
    sharing: Literal["whole", "slice", "partition", "replica"] = "whole"
    allocator: Literal["plugin", "hami", "volcano"] = "plugin"
    slices: dict[str, Slice] = {}
    profiles: tuple[Profile, ...] = ()
    memory_mib: Positive | None = None
    per_node: Positive | None = None
    counts: tuple[Positive, ...] = ()
    counts_across_nodes: tuple[Positive, ...] = ()


class EnvironmentLimit(Spec, frozen=True):
    """The integers that a variable accepts; `listens` is the number of ports, from this one on, that are in use.

    If the variable `lifted_by` is 1, it accepts any integer.
    """

    name: VariableName
    min: Natural
    max: Natural
    default: Natural | None = None
    listens: Natural = 0
    lifted_by: VariableName | None = None


class Hardware(Spec, frozen=True, kw_only=True):
    """One kind of node; values per device are multiplied by `devices`.

    `memory_gib_per_device` is the container's limit and includes `shm_gib_per_device`, the size of /dev/shm.
    `environment_scripts` are sourced if they exist, before the first command. `labels` are set on the job and its
    pods. `build` is for the target `image`.

    Features of the chip are true, false, or null if unknown or dependent on the image. `fa2` and `fa3` are values of
    LLaMA-Factory's `flash_attn`, `fa2_from` is the first release that supports fa2 on this chip. `bitsandbytes` lists
    the bits to which it quantizes. `collective` is PyTorch's backend; `deepspeed` is the name of DeepSpeed's
    accelerator, null if there is none. `llamafactory` says whether LLaMA-Factory supports the chip; null means only
    with an image of the vendor or your own image. `llamafactory_tags` and `llamafactory_not_tags` are patterns for the
    tags of its published images that support, and do not support, this chip.

    `ignored_env` are prefixes of variables that have no effect here, `env_limits` the numbers that others accept.
    `host_address_variable` is set to the node's address if, and only if, the pod uses the node's network.
    `allocator_variable` configures PyTorch's allocator, which can either expand segments or split them.
    """

    vendor: Text | None = None
    device: Device | None
    image: Text
    cpu_per_device: Positive
    memory_gib_per_device: Positive
    shm_gib_per_device: Natural
    bf16: bool | None = True
    fp16: bool | None = True
    fp8: bool | None = None
    fa2: bool | None = None
    fa2_from: Version | None = None
    fa3: bool | None = False
    bitsandbytes: tuple[Literal[4, 8], ...] | None = None
    collective: Text | None = None
    deepspeed: Text | None = None
    llamafactory: bool | None = True
    llamafactory_tags: tuple[Text, ...] = ()
    llamafactory_not_tags: tuple[Text, ...] = ()
    distributed_type: Annotated[str, Meta(pattern=whole(r"MULTI_[A-Z]+"))] = "MULTI_GPU"
    environment_scripts: tuple[AbsolutePath, ...] = ()
    env: Environment = {}
    ignored_env: tuple[Text, ...] = ()
    env_limits: tuple[EnvironmentLimit, ...] = ()
    host_address_variable: VariableName | None = None
    allocator_variable: VariableName | None = None
    labels: dict[LabelKey, LabelValue] = {}
    arguments: Json = {}
    pod: Json = {}
    build: Build | None = None

    @property
    def resources(self) -> frozenset[str]:
        """The resources of the container that trains: the device and its slices; empty for the CPU."""
        slices = self.device.slices.values() if self.device else ()
        return frozenset([*([self.device.resource] if self.device else []), *(share.resource for share in slices)])


class Network(Spec, frozen=True):
    """The network settings of a pod: `quantity` of `resource` per pod, variables, a PodTemplate fragment."""

    resource: ResourceName | None = None
    quantity: Positive = 1
    env: Environment = {}
    pod: Json = {}
