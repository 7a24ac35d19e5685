"""The committed scenario of the first guide trains on a CPU; only parts that this machine lacks are replaced."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.compiling import compile_manifest
from e2e.git_server import TOKEN, USER, GitServer
from e2e.tiny_dataset import write_dataset
from e2e.volcano import VolcanoJob

if TYPE_CHECKING:
    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

CASE = Path(__file__).parents[2] / "golden" / "scenarios" / "alauda-lora-1node" / "case.yaml"
FOR_A_CPU = (
    *("hardware=cpu", "tracking=none", "train.max_steps=4", "train.logging_steps=1"),
    *("trainer.llamafactory=0.9.5", "trainer.transformers=5.6.0"),
)


def scenario(*without: str) -> list[str]:
    """The scenario's overrides except for some keys."""
    overrides: list[str] = yaml.safe_load(CASE.read_text(encoding="utf-8"))["overrides"]
    return [override for override in overrides if not override.startswith((*without, "tracking"))]


def run(cluster: Cluster, *overrides: str) -> VolcanoJob:
    """Run the job to its end."""
    return VolcanoJob(compile_manifest(*overrides, *FOR_A_CPU), cluster).start().wait(900)


def run_directory(cluster: Cluster, job: VolcanoJob) -> Path:
    """The run's directory on the claim that lives with the job."""
    return cluster.claim(f"{job.name}-pvc-0") / job.name


@pytest.mark.slow  # test_batch_job.py does the same as a batch Job
def test_it_trains_and_merges_what_lies_on_the_volume(cluster: Cluster, tiny_model: Path) -> None:
    models = cluster.claim("sft-qwen3-volume")
    shutil.copytree(tiny_model, models / "Qwen3-0.6B")
    write_dataset(models / "wy-sft-dataset")
    job = run(
        cluster,
        *scenario("source@", "model.source", "dataset.source", "publish"),
        *("source@model.source=path", "model.source.path=/mnt/models/Qwen3-0.6B"),
        *("source@dataset.source=path", "dataset.source.path=/mnt/models/wy-sft-dataset"),
    )
    assert job.succeeded, job.log
    directory = run_directory(cluster, job)
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if "loss" in json.loads(line)]) == 4
    merged = (directory / "merged" / "model.safetensors").read_bytes()
    assert merged != (tiny_model / "model.safetensors").read_bytes()


def test_it_fetches_trains_merges_and_pushes(
    cluster: Cluster, git_server: GitServer, tiny_model: Path, tmp_path: Path
) -> None:
    secret = {"MODEL_REPO_GIT_USER": USER, "MODEL_REPO_GIT_TOKEN": TOKEN}
    cluster = dataclasses.replace(cluster, secrets={"aml-image-builder-secret": secret})
    model, data = git_server.create("amlmodels/Qwen3-0.6B"), git_server.create("amlmodels/wy-sft-dataset")
    git_server.push("amlmodels/Qwen3-0.6B", tiny_model)
    git_server.push("amlmodels/wy-sft-dataset", write_dataset(tmp_path / "data"))
    job = run(
        cluster,
        *scenario("model.source.url", "dataset.source.url", "publish.url"),
        *(f"model.source.url={model}", f"dataset.source.url={data}"),
        f"publish.url={git_server.create('amlmodels/wy-sft-output')}",
    )
    assert job.succeeded, job.log
    (branch,) = git_server.branches("amlmodels/wy-sft-output")
    assert branch.startswith("sft-")
    clone = git_server.clone("amlmodels/wy-sft-output", branch, tmp_path / "clone")
    merged = run_directory(cluster, job) / "merged" / "model.safetensors"
    assert (clone / "model.safetensors").read_bytes() == merged.read_bytes()
    assert TOKEN not in job.log
