"""Where a run's metrics go."""

from __future__ import annotations

from typing import Literal

from ftc.spec.base import BasicAuth, Endpoint, Spec, Text, TokenRef


class Mlflow(Spec, frozen=True):
    """An MLflow tracking server and the experiment that the run belongs to."""

    uri: Endpoint
    experiment: Text = "ftc"
    credentials: BasicAuth | None = None


class TensorBoard(Spec, frozen=True):
    """Event files in `output/runs` of the run's directory, where the trainer puts them by itself."""


class WeightsAndBiases(Spec, frozen=True):
    """A project of Weights & Biases, or of a server of your own at `base_url`.

    With `mode: offline` the run's directory gets what `wandb sync` sends later.
    """

    project: Text = "ftc"
    entity: Text | None = None
    base_url: Endpoint | None = None
    mode: Literal["online", "offline"] = "online"
    token: TokenRef | None = None


class SwanLab(Spec, frozen=True):
    """A project of SwanLab, or of a server of your own whose API is at `api_host`.

    With `mode: local` the records stay in `swanlog` of the run's directory.
    """

    project: Text = "ftc"
    workspace: Text | None = None
    api_host: Endpoint | None = None
    mode: Literal["cloud", "local"] = "cloud"
    token: TokenRef | None = None


class Tracking(Spec, frozen=True):
    """The trackers that a run reports to, several at once; without any its metrics stay in the log."""

    mlflow: Mlflow | None = None
    tensorboard: TensorBoard | None = None
    wandb: WeightsAndBiases | None = None
    swanlab: SwanLab | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are there, by their keys."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)
