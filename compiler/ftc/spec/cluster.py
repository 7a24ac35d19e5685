"""The cluster that the job runs on, with its settings for every job, its accelerators and its network."""

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
    TokenRef,
    VariableName,
    Version,
    whole,
)

Registry = Annotated[
    str,
    Meta(
        pattern=whole(
            r"(?=localhost[:/]|localhost$|[^/]*[.:])[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:" + PORT + r")?"
            r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
        ),
        description="A registry, with a path in it if the copies are below one: registry.example.com:5000/mirror",
    ),
]
UrlPath = Annotated[
    str,
    Meta(
        pattern=whole(r"(/[A-Za-z0-9._~-]+)+"),
        description="The path of an address, of letters, digits, '.', '_', '~' and '-', without a '/' at the end: /v1",
    ),
]
UserId = Annotated[int, Meta(ge=1, le=2**31 - 1, description="The ID of a user other than root.")]


class CaBundle(Spec, frozen=True):
    """PEM certificates of the trusted authorities, in a ConfigMap of the job's namespace.

    They replace those of the image, so the bundle must include the public ones if they are needed.
    """

    config_map: ObjectName
    """The name of the ConfigMap."""
    key: DataKey = "ca.crt"
    """The key of the ConfigMap with the certificates."""


class Serving(Spec, frozen=True):
    """How KServe serves a model in this cluster, for `ftc inference`."""

    model_format: Text = "huggingface"
    """The format that the runtime names in its supportedModelFormats."""
    runtime: ObjectName | None = None
    """The ServingRuntime or ClusterServingRuntime; null lets KServe choose one for the format."""
    openai_path: UrlPath = "/openai/v1"
    """The path of the OpenAI API at the address of the service."""
    model_label: LabelKey | None = None
    """The label that has the name of the model's repository; null sets none."""
    labels: dict[LabelKey, LabelValue] = {}
    """Labels of the InferenceService that the platform requires."""
    deployment_mode: Literal["Standard", "RawDeployment", "Knative", "Serverless"] = "Standard"
    """How KServe runs the service; RawDeployment and Serverless are the names of Standard and Knative before 0.16."""


class Cluster(Spec, frozen=True):
    """The versions of the cluster, its queues, its servers, and what its namespaces require.

    With `security: baseline`, `run_as_user` sets another user than the image's, with a writable home. The pod does not
    mount the token of `service_account`: set pod.spec.automountServiceAccountToken=true for a program that calls the
    API server.
    """

    kubernetes: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    """The minor version of Kubernetes, such as 1.31. It decides which fields are emitted and accepted."""
    volcano: Annotated[str, Meta(pattern=whole(r"1\.[0-9]+"))]
    """The minor version of Volcano, such as 1.10. It decides which fields are emitted and accepted."""
    scheduler: SchedulerName = "volcano"
    """The name of Volcano's scheduler in this cluster."""
    queue: ObjectName = "default"
    """The Volcano queue in which the job waits."""
    priority_class: ObjectName | None = None
    """The PriorityClass of the pods; null is the cluster's default."""
    gang_jobs: bool = False
    """Whether Volcano's scheduler starts the pods of a batch Job, JobSet or TrainJob together, from 1.12 on."""
    kueue_queue: QueueLabel | None = None
    """The LocalQueue in which a batch Job, JobSet or TrainJob waits until Kueue admits it."""
    hami_with_volcano: bool = False
    """Whether HAMi is integrated with Volcano's scheduler, so that a VolcanoJob can request slices from HAMi."""
    storage_class: ObjectName | None = None
    """The StorageClass of claims that one node uses; null is the cluster's default."""
    shared_storage_class: ObjectName | None = None
    """The StorageClass of claims that nodes share (ReadWriteMany); null is the cluster's default."""
    git_credentials: BasicAuth | None = None
    """The Secret with the user and the password for git servers; null sends none."""
    hub_endpoint: Endpoint | None = None
    """The address of a mirror of the Hugging Face hub, for sources and results; null is the public hub."""
    mlflow_uri: Endpoint | None = None
    """The address of the MLflow server, for tracking=mlflow."""
    mlflow_token: TokenRef | None = None
    """The Secret with the token of the MLflow server, for tracking=mlflow; null sends none."""
    mlflow_workspaces: bool = False
    """Whether the MLflow server has a workspace for each namespace."""
    serves_adapters: bool = True
    """Whether the inference service of the platform serves a LoRA adapter that is not merged."""
    serving: Serving = Serving()
    """How KServe serves a model in this cluster, for `ftc inference`."""
    ca_bundle: CaBundle | None = None
    """The ConfigMap with the certificates of your own authorities, for servers that are not signed by a public one."""
    fetch_timeout_seconds: Positive = 7200
    """The time limit of each download."""
    fetch_cpu: Positive = 2
    """The CPU cores of the containers that download and publish."""
    fetch_memory_gib: Positive = 4
    """The memory of the containers that download and publish."""
    security: Literal["baseline", "restricted"] = "baseline"
    """The Pod Security Standard that the namespace enforces. With restricted, every container runs as run_as_user
    without capabilities.
    """
    run_as_user: UserId | None = None
    """The ID of the user of every container. null is 1000 with restricted, and the image's user with baseline."""
    service_account: ObjectName | None = None
    """The ServiceAccount of the pod; its token is not mounted. null is the namespace's default."""
    registry: Registry | None = None
    """The registry with copies of the images that ftc chooses: hardware.image and the base image of `-t image`.

    It replaces the registry in their names, or precedes them: hiyouga/llamafactory:0.9.5 is pulled as
    registry.example.com/hiyouga/llamafactory:0.9.5, python:3.11 as registry.example.com/library/python:3.11. Tags and
    digests stay. An `image` that is not hardware.image, and the images of fragments, are used as written. null is the
    registry in the name.
    """
    image_pull_secrets: tuple[ObjectName, ...] = ()
    """The Secrets with the passwords of private registries."""
    env: Environment = {}
    """Environment variables of every container of the pod in this cluster."""
    pod: Json = {}
    """A PodTemplate fragment that this cluster requires, merged like a Kubernetes patch."""


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
    """The base image, and the packages for the hardware."""

    base: BaseImage
    """The base image: Debian or Ubuntu with bash, Python 3.11 or later, and pip."""
    torch: tuple[Pin, ...] = ()
    """PyTorch, torchvision and torchaudio with their versions; empty if the base image has them."""
    torch_index: PackageIndex | None = None
    """The package index of `torch`; null is pip's default index."""
    packages: tuple[Pin, ...] = ()
    """Further packages from pip's default index. They take precedence over the trainer's pins."""


class Slice(Spec, frozen=True):
    """A share of each device, requested as a separate resource: an integer per device."""

    resource: ResourceName
    """The extended resource of the share, such as nvidia.com/gpumem."""
    quantity: Positive
    """The amount per device, in the unit of the resource: usually MiB of memory, and percent of the cores."""
    max: Positive | None = None
    """The most that one device has, in the same unit; null is unlimited."""


class Profile(Spec, frozen=True):
    """One of the fixed partitions that a device can be cut into."""

    resource: ResourceName
    """The extended resource of the partition."""
    memory_mib: Positive
    """The device memory of the partition."""


class Device(Spec, frozen=True):
    """The resource that the device plugin counts."""

    resource: ResourceName
    """The extended resource that the device plugin registers, such as nvidia.com/gpu."""
    sharing: Literal["whole", "slice", "partition", "replica"] = "whole"
    """One unit of the resource: a whole device, a slice of it, a fixed partition, or a time-sliced replica."""
    allocator: Literal["plugin", "hami", "volcano"] = "plugin"
    """Who assigns the devices: the device plugin under any scheduler, HAMi's scheduler, or Volcano's."""
    slices: dict[str, Slice] = {}
    """The shares that a slice requests in addition, by name: memory (usually in MiB), cores (in percent)."""
    profiles: tuple[Profile, ...] = ()
    """The fixed partitions that the device can be cut into."""
    memory_mib: Positive | None = None
    """The device memory of one unit. The estimate of the memory needs it."""
    per_node: Positive | None = None
    """The most units that one node has; null if unknown."""
    counts: tuple[Positive, ...] = ()
    """The numbers of devices per node that can be scheduled; empty is any number."""
    counts_across_nodes: tuple[Positive, ...] = ()
    """The numbers of devices per node that a job of several nodes can use; empty is the same as counts."""


class Node(Spec, frozen=True):
    """A usual server with this hardware, whose CPUs and memory its pods share."""

    cpu: Positive
    """The CPUs as Kubernetes counts them: threads."""
    memory_gib: Positive
    """The memory of the server."""


class EnvironmentLimit(Spec, frozen=True):
    """The integers that a variable accepts."""

    name: VariableName
    """The environment variable."""
    min: Natural
    """The least value that it accepts."""
    max: Natural
    """The greatest value that it accepts."""
    default: Natural | None = None
    """The value that applies if the variable is not set."""
    listens: Natural = 0
    """The number of ports that are used, from the value of the variable on; 0 if it is not a port."""
    lifted_by: VariableName | None = None
    """The variable that, if it is 1, lifts the limits."""


class Hardware(Spec, frozen=True, kw_only=True):
    """One kind of node; values per device are multiplied by `devices`.

    Features of the chip are true, false, or null if unknown or dependent on the image.
    """

    vendor: Text | None = None
    """The vendor of the device."""
    device: Device | None
    """The device that the pod requests; null trains on the CPU."""
    image: Text
    """The image for this hardware, unless `image` names another one."""
    cpu_per_device: Positive
    """The CPU cores per device."""
    memory_gib_per_device: Positive
    """The memory limit of the container per device. It includes /dev/shm."""
    shm_gib_per_device: Natural
    """The size of /dev/shm per device."""
    bf16: bool | None = True
    """Whether the chip computes in bfloat16; null if unknown."""
    fp16: bool | None = True
    """Whether the chip computes in float16; null if unknown."""
    fp8: bool | None = None
    """Whether the chip computes in 8-bit floats; null if unknown."""
    fa2: bool | None = None
    """Whether flash_attn=fa2 works on this chip; null if unknown or dependent on the image."""
    fa2_from: Version | None = None
    """The first release of LLaMA-Factory that supports flash_attn=fa2 on this chip."""
    fa3: bool | None = False
    """Whether flash_attn=fa3 works on this chip; null if unknown or dependent on the image."""
    bitsandbytes: tuple[Literal[4, 8], ...] | None = None
    """The bits to which bitsandbytes quantizes on this chip; empty if it does not run, null if unknown."""
    collective: Text | None = None
    """PyTorch's backend for communication between devices: nccl, hccl, gloo, …; null if unknown."""
    deepspeed: Text | None = None
    """The name of DeepSpeed's accelerator: cuda, npu, …; null if DeepSpeed does not support the chip."""
    llamafactory: bool | None = True
    """Whether LLaMA-Factory supports the chip; null if only with the vendor's or your own image."""
    llamafactory_tags: tuple[Text, ...] = ()
    """Patterns for the tags of LLaMA-Factory's published images that support this chip."""
    llamafactory_not_tags: tuple[Text, ...] = ()
    """Patterns for the tags of LLaMA-Factory's published images that do not support this chip."""
    distributed_type: Annotated[str, Meta(pattern=whole(r"MULTI_[A-Z]+"))] = "MULTI_GPU"
    """The name of several processes on this hardware in accelerate's config file."""
    environment_scripts: tuple[AbsolutePath, ...] = ()
    """Scripts of the image that are sourced, if they exist, before the first command."""
    env: Environment = {}
    """Environment variables of the training on this hardware."""
    ignored_env: tuple[Text, ...] = ()
    """Prefixes of environment variables that have no effect on this hardware."""
    env_limits: tuple[EnvironmentLimit, ...] = ()
    """The numbers that the device's libraries accept in their environment variables."""
    host_address_variable: VariableName | None = None
    """The variable that is set to the node's address if the pod uses the node's network."""
    allocator_variable: VariableName | None = None
    """The variable that configures PyTorch's memory allocator on this hardware."""
    labels: dict[LabelKey, LabelValue] = {}
    """Labels of the job and its pods that this hardware requires."""
    arguments: Json = {}
    """Arguments of LLaMA-Factory that this hardware requires."""
    pod: Json = {}
    """A PodTemplate fragment that this hardware requires, merged like a Kubernetes patch."""
    build: Build | None = None
    """The base image and the packages for `ftc compile -t image`."""
    node: Node | None = None
    """A usual server with this hardware; `ftc plan` reports a pod that requests more."""

    @property
    def resources(self) -> frozenset[str]:
        """The resources of the container that trains: the device and its slices; empty for the CPU."""
        slices = self.device.slices.values() if self.device else ()
        return frozenset([*([self.device.resource] if self.device else []), *(share.resource for share in slices)])


class Network(Spec, frozen=True):
    """The network settings of a pod."""

    resource: ResourceName | None = None
    """The extended resource of a network device, such as rdma/hca; null requests none."""
    quantity: Positive = 1
    """The number of network devices per pod."""
    env: Environment = {}
    """Environment variables of the training for this network."""
    pod: Json = {}
    """A PodTemplate fragment that this network requires, merged like a Kubernetes patch."""
