"""The environment variables of the trackers' clients; keys come from Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import environment

if TYPE_CHECKING:
    from ftc.plan.environment import Variables
    from ftc.spec.tracking import Mlflow, SwanLab, Tracking, WeightsAndBiases

_MLFLOW_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def settings(tracking: Tracking) -> dict[str, str | None]:
    """The variables that are not secret."""
    mlflow, wandb, swanlab = tracking.mlflow, tracking.wandb, tracking.swanlab
    return {
        **(_mlflow(mlflow) if mlflow else {}),
        **(_wandb(wandb) if wandb else {}),
        **(_swanlab(swanlab) if swanlab else {}),
    }


def credentials(tracking: Tracking) -> Variables:
    """The variables that come from Secrets."""
    mlflow, wandb, swanlab = tracking.mlflow, tracking.wandb, tracking.swanlab
    return {
        **environment.login(_MLFLOW_LOGIN, mlflow.credentials if mlflow else None),
        **environment.token("WANDB_API_KEY", wandb.token if wandb else None),
        **environment.token("SWANLAB_API_KEY", swanlab.token if swanlab else None),
    }


def _mlflow(server: Mlflow) -> dict[str, str | None]:
    return {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_EXPERIMENT_NAME": server.experiment}


def _wandb(account: WeightsAndBiases) -> dict[str, str | None]:
    return {
        "WANDB_PROJECT": account.project,
        "WANDB_ENTITY": account.entity,
        "WANDB_BASE_URL": account.base_url,
        "WANDB_MODE": account.mode,
    }


def _swanlab(account: SwanLab) -> dict[str, str | None]:
    """The project and the mode are arguments of LLaMA-Factory."""
    return {"SWANLAB_API_HOST": account.api_host}
