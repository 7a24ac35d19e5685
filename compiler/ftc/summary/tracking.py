"""Where to look at the metrics of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.trainer import release
from ftc.trainer.arguments import OUTPUT, chosen

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec
    from ftc.spec.tracking import Mlflow, SwanLab, WeightsAndBiases


def places(spec: JobSpec, directory: str) -> tuple[str, ...]:
    """A line for each tracker; `directory` is that of the run."""
    tracking = spec.tracking
    found = (
        _mlflow(tracking.mlflow) if tracking.mlflow else None,
        _tensorboard(spec, directory) if tracking.tensorboard else None,
        _wandb(tracking.wandb, directory) if tracking.wandb else None,
        _swanlab(tracking.swanlab, directory) if tracking.swanlab else None,
    )
    return tuple(line for line in found if line) or ("in the log",)


def _mlflow(server: Mlflow) -> str:
    return f"MLflow at {server.uri}, experiment {server.experiment}"


def _tensorboard(spec: JobSpec, directory: str) -> str:
    """Transformers 4 reads an argument, transformers 5 an environment variable."""
    by_argument = release.facts(release.nearest(spec.trainer)).reads_logging_dir
    given = chosen(spec).get("logging_dir") if by_argument else spec.env.get("TENSORBOARD_LOGGING_DIR")
    return f"tensorboard --logdir {given or f'{directory}/{OUTPUT}/runs'}"


def _wandb(account: WeightsAndBiases, directory: str) -> str:
    if account.mode == "offline":
        return f"Weights & Biases: wandb sync {directory}/wandb/offline-run-*"
    return f"Weights & Biases at {account.base_url or 'https://wandb.ai'}, project {account.project}"


def _swanlab(account: SwanLab, directory: str) -> str:
    if account.mode == "local":
        return f"SwanLab: swanlab watch {directory}/swanlog"
    return f"SwanLab at {account.api_host or 'https://swanlab.cn'}, project {account.project}"
