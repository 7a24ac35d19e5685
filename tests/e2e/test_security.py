"""A restricted pod trains as a user other than root, without capabilities, on a read-only root file system."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from e2e.batch_job import BatchJob
from e2e.compiling import compile_manifests
from e2e.tiny_dataset import write_dataset
from e2e.volcano import VolcanoJob

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer
    from e2e.pod import Cluster, Json

pytestmark = pytest.mark.e2e

STATUS = 'setup=[[grep,-E,"^(Uid|Gid|Groups|Cap.*|NoNewPrivs):",/proc/self/status]]'
SMALL = (
    *("hardware=cpu", "train.cutoff_len=128", "train.preprocessing_num_workers=1", "train.logging_steps=1"),
    *("train.gradient_accumulation_steps=1", "train.per_device_train_batch_size=4", "train.max_steps=4"),
)
READ_ONLY = "securityContext: {readOnlyRootFilesystem: true}"
RESTRICTED = (
    "cluster.security=restricted",
    "cluster.run_as_user=4711",
    f"pod.spec.initContainers=[{{name: fetch-model, {READ_ONLY}}}, {{name: fetch-dataset, {READ_ONLY}}}]",
    f"pod.spec.containers=[{{name: train, {READ_ONLY}}}]",
)


@pytest.fixture(scope="module")
def fetched(git_server: GitServer, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The overrides for a model and a dataset in git repositories with a password."""
    model, dataset = git_server.create("restricted/model"), git_server.create("restricted/dataset")
    git_server.push("restricted/model", tiny_model)
    git_server.push("restricted/dataset", write_dataset(tmp_path_factory.mktemp("dataset") / "files"))
    source = ("source@model.source=git", f"model.source.url={model}")
    login = ("cluster.git_credentials.secret=git-credentials",)
    return (*login, *source, "dataset=identity-alauda", f"dataset.source.url={dataset}", *SMALL)


def status(log: str) -> dict[str, set[str]]:
    """The fields of a process's status that the log has."""
    rows = re.findall(r"^(Uid|Gid|Groups|Cap\w+|NoNewPrivs):(.*)$", log, re.MULTILINE)
    return {name: set(values.split()) for name, values in rows}


def owners(directory: Path) -> set[tuple[int, int]]:
    """The users and groups of everything below a directory."""
    return {(file.lstat().st_uid, file.lstat().st_gid) for file in directory.rglob("*")}


def check_rights(log: str) -> None:
    """The container ran as the user and the group, without root's capabilities."""
    seen = status(log)
    assert seen["Uid"] == seen["Gid"] == seen["Groups"] == {"4711"}
    assert {value for name, values in seen.items() if name.startswith("Cap") for value in values} == {"0" * 16}
    assert seen["NoNewPrivs"] == {"1"}


def test_a_restricted_volcano_job_fetches_trains_merges_and_publishes(
    fetched: tuple[str, ...], cluster: Cluster, git_server: GitServer
) -> None:
    publish = ("publish=git", f"publish.url={git_server.create('restricted/result')}")
    (manifest,) = compile_manifests(*fetched, *publish, *RESTRICTED, STATUS)
    done = VolcanoJob(manifest, cluster).start().wait(900)
    assert done.succeeded, done.log
    check_rights(done.log)
    directory = cluster.claim("workspace") / done.name
    lines = (directory / "output" / "trainer_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([row for row in map(json.loads, lines) if "loss" in row]) == 4
    assert len(git_server.branches("restricted/result")) == 1
    # The user owns all files of the run, and no home or cache of a program is on the workspace.
    assert owners(cluster.claim("workspace")) == {(4711, 4711)}
    assert not [file for file in cluster.claim("workspace").rglob("*") if file.name in (".cache", ".local", ".config")]


def test_a_restricted_batch_job_trains_full_parameters_on_two_nodes(fetched: tuple[str, ...], cluster: Cluster) -> None:
    topology = ("nodes=2", "launcher=torchrun", "master_port=29561", "method=full-sft")
    manifests: list[Json] = compile_manifests("-t", "job", *fetched, *topology, *RESTRICTED, STATUS)
    done = BatchJob(manifests, cluster).start().wait(900)
    assert done.succeeded, done.log
    for pod in done.pods:
        check_rights(pod.log("train"))
    assert owners(cluster.claim("workspace")) == {(4711, 4711)}
