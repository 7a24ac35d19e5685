"""Where a run's metrics go."""

from __future__ import annotations

from typing import TypeAlias

from ftc.spec.base import Spec, Text, Url


class NoTracker(Spec, frozen=True, tag_field="kind", tag="none"):
    """Metrics stay in the log."""


class Mlflow(Spec, frozen=True, tag_field="kind", tag="mlflow"):
    """An MLflow tracking server and the experiment that the run belongs to."""

    uri: Url
    experiment: Text


class TensorBoard(Spec, frozen=True, tag_field="kind", tag="tensorboard"):
    """Event files in `output/runs` of the run's directory, where the trainer puts them by itself."""


Tracking: TypeAlias = NoTracker | Mlflow | TensorBoard
