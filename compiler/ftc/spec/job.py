"""The whole spec of one job."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from ftc.spec.base import (
    DnsLabel,
    Environment,
    Json,
    LabelKey,
    LabelValue,
    Namespace,
    Natural,
    Positive,
    Spec,
    Text,
    Version,
    whole,
)
from ftc.spec.cluster import Cluster
from ftc.spec.hardware import Hardware, Network
from ftc.spec.method import Command, Engine, Launcher, Method
from ftc.spec.model import Dataset, Model
from ftc.spec.source import KeepOnVolume, Publish, Source
from ftc.spec.storage import Storage
from ftc.spec.tracking import Tracking

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
