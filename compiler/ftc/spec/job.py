"""The whole spec of one job, with its trackers, and the config that composes to it."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from ftc.spec.base import (
    BasicAuth,
    DnsLabel,
    Endpoint,
    Environment,
    Json,
    LabelKey,
    LabelValue,
    Namespace,
    Natural,
    Positive,
    Spec,
    Text,
    TokenRef,
    Version,
    whole,
)
from ftc.spec.cluster import Cluster, Hardware, Network
from ftc.spec.method import Command, Engine, Launcher, Method
from ftc.spec.model import Dataset, Model
from ftc.spec.source import KeepOnVolume, ModelSource, OfRun, OnVolume, Publish, Source
from ftc.spec.storage import Storage


class Mlflow(Spec, frozen=True):
    """An MLflow tracking server and the experiment that the run belongs to."""

    uri: Endpoint
    """The address of the MLflow server."""
    experiment: Text = "ftc"
    """The experiment that the run belongs to."""
    credentials: BasicAuth | None = None
    """The Secret with the user and the password; null sends none."""
    token: TokenRef | None = None
    """The Secret with the token of a server that wants one instead of a user and a password; null sends none."""
    workspace: Text | None = None
    """The workspace of the server. null is the job's namespace with cluster.mlflow_workspaces, else the default one."""


class TensorBoard(Spec, frozen=True):
    """Event files in `output/runs` of the run's directory, the trainer's default."""


class WeightsAndBiases(Spec, frozen=True):
    """A project on Weights & Biases, or on your own server."""

    project: Text = "ftc"
    """The project that the run belongs to."""
    entity: Text | None = None
    """The user or team that owns the project; null is the account's default."""
    base_url: Endpoint | None = None
    """The address of your own server; null is wandb.ai."""
    mode: Literal["online", "offline"] = "online"
    """Whether the run reports to the server, or keeps its records in its directory for `wandb sync`."""
    token: TokenRef | None = None
    """The Secret with the API key."""


class SwanLab(Spec, frozen=True):
    """A project on SwanLab, or on your own server."""

    project: Text = "ftc"
    """The project that the run belongs to."""
    workspace: Text | None = None
    """The workspace of the project; null is the account's."""
    api_host: Endpoint | None = None
    """The address of your own server's API; null is swanlab.cn."""
    mode: Literal["cloud", "local"] = "cloud"
    """Whether the run reports to the server, or keeps its records in `swanlog` in its directory."""
    token: TokenRef | None = None
    """The Secret with the API key."""


class Tracking(Spec, frozen=True):
    """The trackers that a run reports to; without any, its metrics are only in the log."""

    mlflow: Mlflow | None = None
    """Report to an MLflow server; null does not."""
    tensorboard: TensorBoard | None = None
    """Write event files for TensorBoard; null writes none."""
    wandb: WeightsAndBiases | None = None
    """Report to Weights & Biases; null does not."""
    swanlab: SwanLab | None = None
    """Report to SwanLab; null does not."""

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of the configured trackers."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)


RuleName = Annotated[
    str,
    Meta(
        pattern=whole(r"FTC[0-9]{3}|[a-z0-9]+(?:-[a-z0-9]+)+"),
        description="The name or the code of a rule as `ftc rule` lists them: devices-exceed-node, FTC301",
    ),
]
Image = Annotated[
    str,
    Meta(pattern=whole(r"\S+"), description="The address of a container image: registry.example.com/team/image:1.0"),
]


SOURCES: dict[str, tuple[str, ...]] = {
    "model": ("model", "source"),
    "adapter": ("method", "adapter"),
    "dataset": ("dataset", "source"),
}
"""The key of each source that a run may have; further datasets have their own, below `_FURTHER`."""
_FURTHER = {"dataset": "more", "evaluation": "evaluation"}


def source_path(name: str) -> tuple[str, ...]:
    """The key of a source by its name in JobSpec.sources."""
    owner, _, key = name.partition("-")
    return ("dataset", _FURTHER[owner], key, "source") if key else SOURCES[name]


def is_source(path: tuple[str | int, ...]) -> bool:
    """Whether a key holds a source."""
    further = path[:1] == ("dataset",) and path[3:] == ("source",) and path[1] in _FURTHER.values()
    return path in SOURCES.values() or further


def is_dataset(name: str) -> bool:
    """Whether a source has rows, not the weights of a model."""
    return name.partition("-")[0] in _FURTHER


class JobFragments(Spec, frozen=True):
    """A fragment of the job's object for each target, merged like a Kubernetes patch; ftc's own fields stay."""

    volcano: Json = {}
    """A fragment of the VolcanoJob, such as {spec: {networkTopology: {mode: hard}}}."""
    job: Json = {}
    """A fragment of the batch Job, such as {spec: {activeDeadlineSeconds: 86400}}."""
    jobset: Json = {}
    """A fragment of the JobSet, such as {metadata: {annotations: {example.com/team: nlp}}}."""
    trainjob: Json = {}
    """A fragment of the TrainJob, such as {metadata: {labels: {team: nlp}}}."""


class Trainer(Spec, frozen=True):
    """The versions in the image."""

    llamafactory: Version
    """The version of LLaMA-Factory in the image."""
    transformers: Version
    """The version of transformers in the image."""

    @property
    def pair(self) -> str:
        """Both versions as one name, `<llamafactory>+<transformers>`."""
        return f"{self.llamafactory}+{self.transformers}"


class Tuned(NamedTuple):
    """The model, the dataset and the method of a training."""

    model: Model
    dataset: Dataset
    method: Method


class JobSpec(Spec, frozen=True, kw_only=True):
    """One fine-tuning job: `nodes` pods with `devices` processes each.

    With `min_nodes` the training is elastic: it starts with that many nodes, lets others join later, and continues
    without those that it loses.
    """

    name: DnsLabel | None = None
    """The name of the run. null derives it from the model and the method."""
    nodes: Annotated[int, Meta(ge=1, le=100_000)]
    """The number of nodes: pods that train together."""
    min_nodes: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """The least number of nodes of an elastic training; the others may join later. null waits for all nodes."""
    devices: Annotated[int, Meta(ge=1, le=1_000)]
    """The number of devices per node, with one process each; on the CPU, the number of processes per node."""
    image: Image
    """The image of the pod, with the trainer and the libraries of the hardware."""
    trainer: Trainer
    """The versions in the image. ftc checks arguments for them."""
    cluster: Cluster
    """The cluster that the run is submitted to, and its settings for every run."""
    hardware: Hardware
    """The kind of node: its device, its image and the settings that it requires."""
    network: Network = Network()
    """The network between the nodes."""
    model: Model | None
    """The base model; null for your own program without a model."""
    dataset: Dataset | None
    """The training data; null for your own program without a dataset."""
    method: Method | None
    """The stage and the tuning type; null for your own program."""
    engine: Engine
    """How the processes share the work: ddp, DeepSpeed or FSDP."""
    launcher: Launcher
    """The program that starts the processes of a node, or your own program."""
    storage: Storage
    """The volumes for runs, models and datasets."""
    tracking: Tracking
    """The trackers that the run reports its metrics to."""
    publish: Publish = KeepOnVolume()
    """Where the result goes after the training."""
    chat_template_check: Literal["none", "warn", "fail"] = "none"
    """Whether the chat template of the result is compared with the training's, and what a difference does: warn reports
    it, fail also publishes nothing.
    """
    chat_template_write: bool = False
    """Whether the check replaces a chat template that differs, and the end token, by those of the training."""
    evaluate: Json | None = None
    """Arguments of the prediction on held-out rows, such as {max_new_tokens: 256}; {} has the defaults, null evaluates
    nothing.
    """
    train: Json = {}
    """Arguments of LLaMA-Factory, such as learning_rate. They take precedence over those of the groups."""
    env: Environment = {}
    """Environment variables of the training. They take precedence over those of the groups."""
    pod: Json = {}
    """A PodTemplate fragment, merged like a Kubernetes patch. It takes precedence over those of the groups."""
    job: JobFragments = JobFragments()
    """A fragment of the job's object for each target: fields that have no key."""
    setup: tuple[Annotated[tuple[Text, ...], Meta(min_length=1)], ...] = ()
    """Commands that each node runs before the training, as argument lists: [[pip, install, tensorboard]]."""
    scripts: Literal["embedded", "configmap"] = "embedded"
    """The place of ftc's own scripts: embedded in each manifest, or in one ConfigMap for all runs (-t scripts)."""
    restarts: Natural = 0
    """How often the job restarts after a failure. A restart resumes from the last checkpoint."""
    termination_grace_seconds: Positive = 300
    """The time to save a checkpoint before Kubernetes kills a pod that it terminates."""
    naming: Literal["generate", "fixed"] = "generate"
    """The name of the job: generate makes a new one each time (kubectl create), fixed is for apply and GitOps."""
    namespace: Namespace | None = None
    """The namespace of the job; null is the one of kubectl's context."""
    labels: dict[LabelKey, LabelValue] = {}
    """Labels of the job and its pods."""
    annotations: dict[LabelKey, str] = {}
    """Annotations of the job and its pods."""
    ttl_seconds_after_finished: Natural | None = None
    """The time after which the cluster deletes the finished job; null keeps it."""
    suspend: bool = False
    """Whether a batch Job (-t job) starts suspended: it creates no pod until it is resumed."""
    ignore: tuple[RuleName, ...] = ()
    """The rules to suppress, by name or code; `ftc rule` lists them."""
    pins: dict[str, Text] = {}
    """What each pinned value replaces. `ftc pin` writes it."""
    master_port: Annotated[int, Meta(ge=1024, le=65535)] = 29500
    """The port at which rank 0 waits for the other nodes."""

    @property
    def trains(self) -> bool:
        """Whether LLaMA-Factory runs, rather than a program of the user."""
        return not isinstance(self.launcher, Command)

    @property
    def checks_chat_template(self) -> bool:
        """Whether a step after the training compares the chat template; a rule rejects a run without conversations."""
        talks = self.trains and self.method is not None and self.method.stage != "pt"
        return talks and self.chat_template_check != "none"

    @property
    def evaluates(self) -> bool:
        """Whether a step after the training evaluates the result; a rule rejects a run that cannot be evaluated."""
        method = self.method if self.trains else None
        able = method is not None and method.stage == "sft" and method.finetuning_type != "oft"
        return able and self.evaluate is not None

    @property
    def tuned(self) -> Tuned | None:
        """The model, the dataset and the method; None if one is missing."""
        if self.model is None or self.dataset is None or self.method is None:
            return None
        return Tuned(self.model, self.dataset, self.method)

    @property
    def processes(self) -> int:
        """The world size: the number of processes on all nodes."""
        return self.nodes * self.devices

    @property
    def sources(self) -> dict[str, Source]:
        """The sources of the run by name; `source_path` has their keys. That of a run is its directory."""
        found: dict[str, ModelSource | None] = {
            "model": self.model.source if self.model else None,
            "adapter": self.method.adapter if self.method else None,
            **{name: one.source for name, one in (self.dataset.parts if self.dataset else {}).items()},
        }
        workspace = self.storage.workspace.mount_path
        return {name: _in_directory(name, one, workspace) for name, one in found.items() if one is not None}

    @property
    def earlier_runs(self) -> dict[str, OfRun]:
        """The sources that are results of earlier runs."""
        given = {"model": self.model and self.model.source, "adapter": self.method and self.method.adapter}
        return {name: one for name, one in given.items() if isinstance(one, OfRun)}


def _in_directory(name: str, source: ModelSource, workspace: str) -> Source:
    """The source, or the directory of the result of an earlier run."""
    if not isinstance(source, OfRun):
        return source
    return OnVolume(path=f"{workspace}/{source.run}/{result(name, source)}")


def result(name: str, source: OfRun) -> str:
    """The directory of a result below that of its run."""
    return source.result or ("output" if name == "adapter" else "merged")


# OmegaConf's escape: backslashes directly before a reference count twice.
_REFERENCE = re.compile(r"(\\*)\$\{")


def complete(spec: JobSpec) -> Json:
    """Every key; a string that looks like a reference is escaped."""
    written: Json = _escaped(msgspec.to_builtins(spec))
    return written


def short(spec: JobSpec) -> Json:
    """The keys that differ from the defaults of their types, so that a new key in a release changes nothing."""
    written: Json = _escaped(_without_defaults(spec))
    return written


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return _REFERENCE.sub(r"\1\1\\${", value) if isinstance(value, str) else value


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        kind = {} if tag is None else {value.__struct_config__.tag_field: tag}
        return kind | {name: _without_defaults(given) for name, given in differing(value).items()}
    if isinstance(value, dict):
        return {key: _without_defaults(inner) for key, inner in value.items()}
    return [_without_defaults(inner) for inner in value] if isinstance(value, list | tuple) else value


def differing(value: msgspec.Struct) -> Json:
    """The fields that do not have their default."""
    fields = ((field, getattr(value, field.name)) for field in _fields(type(value)))
    return {field.name: given for field, given in fields if given != _default(field)}


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
