"""The real trainer saves a checkpoint when its pod is terminated, and a restart resumes from it."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.batch_job import BatchJob
from e2e.compiling import compile_manifests
from e2e.pod import Cluster, Image
from e2e.small import ALONE, SMALL
from e2e.tiny_dataset import write_dataset
from e2e.trainer_environment import HERE
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.trainer_environment import Trainer

pytestmark = pytest.mark.e2e

# The training must outlast the wait after the signal, and writes no checkpoint except the one for the signal. The data
# loader has processes, which must not end at the signal.
LONG = ("train.max_steps=300", "train.save_steps=1000", "train.dataloader_num_workers=2", *ALONE)


def cluster_with(trainer: Trainer, root: Path) -> tuple[Cluster, tuple[str, ...]]:
    """A cluster whose image has a release of the trainer, and the overrides for the files on its claim."""
    interpreter = (trainer.venv / "bin" / "python").resolve().parents[1]
    variables = {"PATH": f"{trainer.venv}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    cluster = Cluster(root, Image((trainer.venv, interpreter), variables))
    # Created by the release itself: an older transformers lacks the tokenizer classes of a newer one.
    model = cluster.claim("workspace") / "model"
    subprocess.run([trainer.venv / "bin" / "python", HERE / "tiny_model.py", model], check=True, capture_output=True)
    write_dataset(cluster.claim("workspace") / "data")
    model_there = ("source@model.source=path", "model.source.path=/workspace/model")
    data_there = ("dataset=identity-alauda", "source@dataset.source=path", "dataset.source.path=/workspace/data")
    return cluster, (*model_there, *data_there, *SMALL)


def first_attempt(cluster: Cluster, *overrides: str) -> BatchJob:
    """Terminate the only pod after it has trained some steps."""
    job = BatchJob(compile_manifests("-t", "job", *overrides), cluster).start()
    wait_until(lambda: list(cluster.claim("workspace").glob(f"{job.name}/output/trainer_log.jsonl")))
    job.taken.add(job.pods[0].identity.name)
    job.attempts[0][0].terminate()
    return job


@pytest.mark.parametrize(
    "launch",
    [
        ("launcher=llamafactory-cli",),
        ("launcher=torchrun", "devices=2", "master_port=29541"),
        pytest.param(("launcher=accelerate",), marks=pytest.mark.slow),
    ],
    ids=lambda launch: launch[0].partition("=")[2],
)
def test_an_evicted_run_resumes_from_a_checkpoint_that_was_written_after_the_signal(
    each_trainer: Trainer, tmp_path: Path, launch: tuple[str, ...]
) -> None:
    if each_trainer.release != "0.9.5":
        pytest.skip("the trainer of this release ends with the signal: see the test below")
    cluster, sources = cluster_with(each_trainer, tmp_path / "cluster")
    # torch cannot load an optimizer that several processes saved on a CPU (location "cpu:0").
    resumable = ("train.save_only_model=true",) if "devices=2" in launch else ()
    job = first_attempt(cluster, *sources, *LONG, *launch, *resumable)
    assert job.attempts[0][0].status == 143
    saved = re.search(r"ftc: train: saved output/checkpoint-(\d+) after the signal", job.attempts[0][0].log())
    assert saved, job.log
    resumes = f"Resuming training from output/checkpoint-{saved[1]}"
    wait_until(lambda: len(job.attempts[0]) == 2 and resumes in job.attempts[0][1].log())
    job.wait(0)
    # The signal reaches the processes at different steps: another one may have begun a later checkpoint.
    assert f"checkpoint-{saved[1]} is incomplete" not in job.attempts[0][1].log()
    assert job.failures == 0


def test_a_trainer_that_cannot_save_at_a_signal_ends_at_once_and_the_log_says_so(
    each_trainer: Trainer, tmp_path: Path
) -> None:
    if each_trainer.release != "0.9.3":
        pytest.skip("the trainer of this release saves: see the test above")
    cluster, sources = cluster_with(each_trainer, tmp_path / "cluster")
    version = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1")
    job = first_attempt(cluster, *sources, *LONG, *version)
    assert job.attempts[0][0].status == 143
    assert "ftc: train: there is no complete checkpoint: a restart begins at the first step" in job.attempts[0][0].log()
    job.wait(0)
