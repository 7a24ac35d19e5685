"""Emitted batch Jobs train like Volcano Jobs, and continue after a pod is lost."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from e2e.batch_job import BatchJob
from e2e.compiling import compile_manifests
from e2e.small import ALONE, SMALL
from e2e.test_scenarios import FOR_A_CPU, scenario
from e2e.test_training import logged, losses, publish_to
from e2e.tiny_dataset import write_dataset
from e2e.waiting import SOON, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer
    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e

LONG = ("train.max_steps=40", "train.save_steps=10", *ALONE)


@pytest.fixture
def on_volume(cluster: Cluster, tiny_model: Path) -> tuple[str, ...]:
    """The overrides for a model and a dataset that are already on the shared claim."""
    workspace = cluster.claim("workspace")
    shutil.copytree(tiny_model, workspace / "model")
    write_dataset(workspace / "data")
    model = ("source@model.source=path", "model.source.path=/workspace/model")
    data = ("dataset=identity-alauda", "source@dataset.source=path", "dataset.source.path=/workspace/data")
    return (*model, *data, *SMALL)


def submit(cluster: Cluster, *overrides: str) -> BatchJob:
    return BatchJob(compile_manifests("-t", "job", *overrides), cluster).start()


def run_directory(cluster: Cluster, job: BatchJob) -> Path:
    """The only run of the Job's name in the shared workspace."""
    (found,) = (path for path in cluster.claim("workspace").iterdir() if path.name.startswith(job.name))
    return found


def has_checkpoint(cluster: Cluster, job: BatchJob) -> bool:
    return any(cluster.claim("workspace").glob(f"{job.name}*/output/checkpoint-*/trainer_state.json"))


def test_the_first_guides_scenario_trains_and_merges_on_a_claim_of_its_pod(cluster: Cluster, tiny_model: Path) -> None:
    models = cluster.claim("sft-qwen3-volume")
    shutil.copytree(tiny_model, models / "Qwen3-0.6B")
    write_dataset(models / "wy-sft-dataset")
    job = submit(
        cluster,
        *scenario("source@", "model.source", "dataset.source", "publish"),
        *("source@model.source=path", "model.source.path=/mnt/models/Qwen3-0.6B"),
        *("source@dataset.source=path", "dataset.source.path=/mnt/models/wy-sft-dataset"),
        *FOR_A_CPU,
    ).wait(900)
    assert job.succeeded, job.log
    (pod,) = (cluster.root / "pods").iterdir()
    directory = pod / "volumes" / "workspace" / job.name
    assert len(losses(directory)) == 4
    merged = (directory / "merged" / "model.safetensors").read_bytes()
    assert merged != (tiny_model / "model.safetensors").read_bytes()


def test_two_nodes_find_each_other_by_the_service_and_train_as_one_world(
    sources: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    two = ("nodes=2", "launcher=torchrun", "master_port=29531", *publish_to(git_server, "org/indexed-job"), *ALONE)
    job = submit(cluster, *sources, *two).wait(900)
    assert job.succeeded, job.log
    assert len(git_server.branches("org/indexed-job")) == 1
    assert len(losses(run_directory(cluster, job))) == 4
    for rank, pod in enumerate(job.pods):
        assert f"Process rank: {rank}, world size: 2" in pod.log("train")
        assert f"ftc: node {rank} of 2, rank 0 at {job.name}-0.{job.name}:29531" in pod.log("train")


def test_a_pod_that_is_killed_is_replaced_at_its_index_and_the_run_resumes(
    on_volume: tuple[str, ...], cluster: Cluster
) -> None:
    # torch cannot load an optimizer that several processes saved on a CPU (location "cpu:0"), so it is not saved.
    resumable = (*LONG, "train.save_only_model=true")
    two = ("nodes=2", "launcher=torchrun", "master_port=29532", "restarts=1", *resumable)
    job = submit(cluster, *on_volume, *two)
    wait_until(lambda: has_checkpoint(cluster, job))
    job.pods[1].signal(signal.SIGKILL)
    assert job.wait(900).succeeded, job.log
    assert job.failures <= 2
    assert [len(pods) for pods in job.attempts] == [2, 2]
    last = job.attempts[1][-1].log()
    assert "node 1 of 2" in last
    assert "Continuing training from global step" in job.log or "Resuming training from" in job.log
    assert max(row["current_steps"] for row in logged(run_directory(cluster, job))) == 40


@pytest.mark.slow  # test_signals.py does the same, and resumes
def test_a_pod_that_the_cluster_takes_away_costs_no_restart(on_volume: tuple[str, ...], cluster: Cluster) -> None:
    job = submit(cluster, *on_volume, *LONG)
    wait_until(lambda: has_checkpoint(cluster, job))
    job.taken.add(job.pods[0].identity.name)
    job.pods[0].signal(signal.SIGTERM)
    assert job.wait(900).succeeded, job.log
    assert job.failures == 0
    assert len(job.attempts[0]) == 2
    assert "ftc: error: train: stopped by a signal" in job.attempts[0][0].log()


def test_without_restarts_a_failed_pod_ends_the_job(cluster: Cluster) -> None:
    job = submit(cluster, "launcher=command", "launcher.command=[bash,-c,'echo ready; sleep 3600']", "hardware=cpu")
    wait_until(lambda: job.pods and "ready" in job.log)
    job.pods[0].signal(signal.SIGKILL)
    assert not job.wait(SOON).succeeded
    assert len(job.attempts[0]) == 1


def test_a_command_knows_its_place_among_the_indexes(cluster: Cluster) -> None:
    show = (
        "import json,os,socket;n=os.environ;socket.gethostbyname(n['MASTER_ADDR']);print('SEEN '+json.dumps(dict(n)))"
    )
    command = ("launcher=command", f"launcher.command=[python,-c,{json.dumps(show)}]", "nodes=2", "hardware=cpu")
    job = submit(cluster, *command, "name=own", "naming=fixed").wait(SOON)
    assert job.succeeded, job.log
    seen = [json.loads(pod.log().partition("SEEN ")[2]) for pod in job.pods]
    assert [each["NODE_RANK"] for each in seen] == ["0", "1"]
    assert {each["MASTER_ADDR"] for each in seen} == {"own-0.own"}
    assert {each["RUN_DIR"] for each in seen} == {f"/workspace/own-{job.pods[0].identity.metadata['labels'][UID]}"}


UID = "batch.kubernetes.io/controller-uid"
