"""The whole spec of one job, with its trackers."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

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
from ftc.spec.source import KeepOnVolume, Publish, Source
from ftc.spec.storage import Storage


class Mlflow(Spec, frozen=True):
    """An MLflow tracking server and the experiment that the run belongs to."""

    uri: Endpoint
    experiment: Text = "ftc"
    credentials: BasicAuth | None = None


class TensorBoard(Spec, frozen=True):
    """Event files in `output/runs` of the run's directory, the trainer's default."""


class WeightsAndBiases(Spec, frozen=True):
    """A project on Weights & Biases, or on your own server at `base_url`.

    With `mode: offline` the records stay in the run's directory, from which `wandb sync` uploads them.
    """

    project: Text = "ftc"
    entity: Text | None = None
    base_url: Endpoint | None = None
    mode: Literal["online", "offline"] = "online"
    token: TokenRef | None = None


class SwanLab(Spec, frozen=True):
    """A project on SwanLab, or on your own server whose API is at `api_host`.

    With `mode: local` the records stay in `swanlog` in the run's directory.
    """

    project: Text = "ftc"
    workspace: Text | None = None
    api_host: Endpoint | None = None
    mode: Literal["cloud", "local"] = "cloud"
    token: TokenRef | None = None


class Tracking(Spec, frozen=True):
    """The trackers that a run reports to; without any, its metrics are only in the log."""

    mlflow: Mlflow | None = None
    tensorboard: TensorBoard | None = None
    wandb: WeightsAndBiases | None = None
    swanlab: SwanLab | None = None

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
"""The key of each source that a run may have."""


class Trainer(Spec, frozen=True):
    """The versions in the image."""

    llamafactory: Version
    transformers: Version

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
    If `name` is null, it is derived from the model and the method. `train` holds arguments of LLaMA-Factory, `pod` is a
    PodTemplate fragment; both take precedence over those of the groups.
    `termination_grace_seconds` is the time to save a checkpoint before Kubernetes kills a pod that it terminates.
    `ignore` lists rules to suppress.
    """

    name: DnsLabel | None = None
    nodes: Annotated[int, Meta(ge=1, le=100_000)]
    min_nodes: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    devices: Annotated[int, Meta(ge=1, le=1_000)]
    image: Image
    trainer: Trainer
    cluster: Cluster
    hardware: Hardware
    network: Network = Network()
    model: Model | None
    dataset: Dataset | None
    method: Method | None
    engine: Engine
    launcher: Launcher
    storage: Storage
    tracking: Tracking
    publish: Publish = KeepOnVolume()
    train: Json = {}
    env: Environment = {}
    pod: Json = {}
    setup: tuple[Annotated[tuple[Text, ...], Meta(min_length=1)], ...] = ()
    restarts: Natural = 0
    termination_grace_seconds: Positive = 300
    naming: Literal["generate", "fixed"] = "generate"
    namespace: Namespace | None = None
    labels: dict[LabelKey, LabelValue] = {}
    annotations: dict[LabelKey, str] = {}
    ttl_seconds_after_finished: Natural | None = None
    suspend: bool = False
    ignore: tuple[RuleName, ...] = ()
    master_port: Annotated[int, Meta(ge=1024, le=65535)] = 29500

    @property
    def trains(self) -> bool:
        """Whether LLaMA-Factory runs, rather than a program of the user."""
        return not isinstance(self.launcher, Command)

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
        """The sources of the run; SOURCES has their keys."""
        found: dict[str, Source | None] = {
            "model": self.model.source if self.model else None,
            "adapter": self.method.adapter if self.method else None,
            "dataset": self.dataset.source if self.dataset else None,
        }
        return {name: source for name, source in found.items() if source is not None}
