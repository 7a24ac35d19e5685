"""The trackers' clients find their servers and keys in the environment of the training only."""

from __future__ import annotations

import json

import pytest

from unit.compiling import ftc, pod, trainer, variables

EVERYTHING = (
    "tracking.mlflow={uri: http://m:5000, experiment: e, credentials: {secret: mlflow, password_key: p}}",
    "tracking.wandb={project: w, entity: team, base_url: https://wandb.example.com, token: {secret: wandb, key: k}}",
    "tracking.swanlab={project: s, api_host: https://swanlab.example.com, token: {secret: swanlab}}",
)


def test_every_tracker_finds_its_server() -> None:
    found = variables(trainer(*EVERYTHING))
    assert found["MLFLOW_TRACKING_URI"] == "http://m:5000"
    assert found["MLFLOW_EXPERIMENT_NAME"] == "e"
    assert (found["WANDB_PROJECT"], found["WANDB_ENTITY"], found["WANDB_MODE"]) == ("w", "team", "online")
    assert found["WANDB_BASE_URL"] == "https://wandb.example.com"
    assert found["SWANLAB_API_HOST"] == "https://swanlab.example.com"


def test_keys_come_from_secrets_and_reach_the_training_only() -> None:
    referring = [v for v in trainer(*EVERYTHING)["env"] if "secretKeyRef" in v.get("valueFrom", {})]
    given = {v["name"]: v["valueFrom"]["secretKeyRef"] for v in referring}
    assert given == {
        "MLFLOW_TRACKING_USERNAME": {"name": "mlflow", "key": "username"},
        "MLFLOW_TRACKING_PASSWORD": {"name": "mlflow", "key": "p"},
        "WANDB_API_KEY": {"name": "wandb", "key": "k"},
        "SWANLAB_API_KEY": {"name": "swanlab", "key": "token"},
    }
    assert not [name for name in given if name in json.dumps(pod(*EVERYTHING)["initContainers"])]


MLFLOW = "tracking.mlflow={uri: http://m:5000, token: {secret: mlflow, key: t}}"


def _variable(name: str, *overrides: str) -> object:
    return next((v for v in trainer(*overrides)["env"] if v["name"] == name), None)


def test_a_token_takes_the_place_of_a_password() -> None:
    ref = {"secretKeyRef": {"name": "mlflow", "key": "t"}}
    assert _variable("MLFLOW_TRACKING_TOKEN", MLFLOW) == {"name": "MLFLOW_TRACKING_TOKEN", "valueFrom": ref}
    assert "MLFLOW_TRACKING_TOKEN" not in json.dumps(pod(MLFLOW)["initContainers"])


def test_the_workspace_is_the_namespace_of_the_pod_unless_the_run_names_another() -> None:
    assert _variable("MLFLOW_WORKSPACE", MLFLOW) is None
    of_pod = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    everywhere = "cluster.mlflow_workspaces=true"
    assert _variable("MLFLOW_WORKSPACE", MLFLOW, everywhere) == {"name": "MLFLOW_WORKSPACE", **of_pod}
    assert _variable("MLFLOW_WORKSPACE", everywhere) is None
    named = {"name": "MLFLOW_WORKSPACE", "value": "team"}
    for override in ("tracking.mlflow.workspace=team", "env.MLFLOW_WORKSPACE=team"):
        assert _variable("MLFLOW_WORKSPACE", MLFLOW, everywhere, override) == named


def test_the_namespace_of_a_pod_is_not_in_a_script_for_this_machine() -> None:
    written = ftc("compile", "-t", "script", MLFLOW, "cluster.mlflow_workspaces=true").stdout
    assert "MLFLOW_TRACKING_URI=" in written
    assert "MLFLOW_WORKSPACE" not in written


@pytest.mark.parametrize("option", ["tensorboard", "none"])
def test_without_a_server_there_is_nothing_to_tell(option: str) -> None:
    assert not [name for name in variables(trainer(f"tracking={option}")) if name.startswith(("MLF", "WANDB", "SWAN"))]
