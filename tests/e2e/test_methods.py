"""Emitted jobs of every stage train two steps with the real trainer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from e2e.compiling import compile_manifest
from e2e.mlflow_server import PASSWORD, USER, serve_mlflow
from e2e.pod import Cluster
from e2e.test_datasets import INFO
from e2e.tiny_repository import write_repository
from e2e.volcano import VolcanoJob

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer

pytestmark = pytest.mark.e2e

SMALL = (
    "hardware=cpu",
    "train.cutoff_len=64",
    "train.preprocessing_num_workers=1",
    "train.gradient_accumulation_steps=1",
    "train.logging_steps=1",
    "train.max_steps=2",
)


@pytest.fixture(scope="session")
def sources(git_server: GitServer, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The overrides for a model and a dataset repository in git."""
    model, dataset = git_server.create("org/tiny-for-methods"), git_server.create("org/repository")
    git_server.push("org/tiny-for-methods", tiny_model)
    git_server.push("org/repository", write_repository(tmp_path_factory.mktemp("repository") / "files"))
    login = ("cluster.git_credentials.secret=git-credentials",)
    source = ("source@model.source=git", f"model.source.url={model}", "dataset=custom", "dataset.id=tiny")
    return (*login, *source, "source@dataset.source=git", f"dataset.source.url={dataset}", *SMALL)


def datasets(*names: str) -> tuple[str, ...]:
    """The overrides for datasets of the repository."""
    info = ", ".join(f"{name}: {{{INFO[name]}}}" for name in names)
    return (f"dataset.names=[{','.join(names)}]", f"dataset.info={{{info}}}")


def trained(cluster: Cluster, *overrides: str) -> Path:
    """The directory of a run that has succeeded, after two steps."""
    job = VolcanoJob(compile_manifest(*overrides), cluster).start().wait(900)
    assert job.succeeded, job.log
    directory = cluster.claim("workspace") / job.name
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([row for row in map(json.loads, lines) if "loss" in row]) == 2
    return directory


@pytest.mark.parametrize(
    ("method", "names", "model"),
    [
        ("full-pt", ["plain"], "output/model.safetensors"),
        pytest.param("full-sft", ["alpaca", "talks"], "output/model.safetensors", marks=pytest.mark.slow),
        ("lora-dpo", ["pairs"], "merged/model.safetensors"),
        ("lora-kto", ["liked"], "merged/model.safetensors"),
        ("lora-rm", ["pairs"], "merged/value_head.safetensors"),
    ],
)
def test_a_stage_trains_and_leaves_its_model(
    sources: tuple[str, ...], cluster: Cluster, method: str, names: list[str], model: str
) -> None:
    directory = trained(cluster, *sources, f"method={method}", *datasets(*names))
    assert (directory / model).stat().st_size > 0
    assert (directory / "merged").exists() == method.startswith("lora")


@pytest.mark.parametrize(
    ("method", "names"),
    [
        pytest.param(("method=full-rm",), ["pairs"], marks=pytest.mark.slow),
        (("method=full-rm", "method.finetuning_type=freeze", "+method.arguments.freeze_trainable_layers=1"), ["pairs"]),
        (("method=oft-sft", "method.merge=null"), ["alpaca"]),
    ],
    ids=["full-rm", "freeze-rm", "oft-sft"],
)
def test_two_processes_train_a_model_that_ddp_searches_for_unused_parameters(
    sources: tuple[str, ...], cluster: Cluster, method: tuple[str, ...], names: list[str]
) -> None:
    assert trained(cluster, *sources, *method, *datasets(*names), "devices=2", "master_port=29571")


def test_metrics_reach_every_tracker_and_mlflow_by_the_login_of_a_secret(
    sources: tuple[str, ...], cluster: Cluster, tmp_path: Path
) -> None:
    with serve_mlflow(tmp_path / "mlflow") as server:
        login = {"mlflow": {"username": USER, "password": PASSWORD}}
        known = Cluster(cluster.root, cluster.image, {**cluster.secrets, **login})
        mlflow = f"tracking.mlflow={{uri: '{server.uri}', experiment: of-ftc, credentials: {{secret: mlflow}}}}"
        trackers = (mlflow, "tracking.tensorboard={}", "method.merge=null")
        directory = trained(known, *sources, *datasets("alpaca"), *trackers)
        (run,) = server.runs("of-ftc")
        assert run["info"]["status"] == "FINISHED"
        tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        assert tags["ftc.job"] == run["info"]["run_name"]
        assert len(tags["ftc.spec"]) == 8
        metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
        assert metrics["loss"] > 0
        params = {param["key"]: param["value"] for param in run["data"]["params"]}
        assert params["max_steps"] == "2"
    assert len(list(directory.glob("output/runs/*/events.out.tfevents.*"))) == 1
