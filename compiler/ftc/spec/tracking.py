"""The trackers of a run's metrics."""

from __future__ import annotations

from typing import Literal

from ftc.spec.base import BasicAuth, Endpoint, Spec, Text, TokenRef


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
