"""The emitted prefetch job fills the cache, and the training finds the markers there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.batch_job import BatchJob
from e2e.compiling import compile_manifests

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.git_server import GitServer
    from e2e.pod import Cluster

pytestmark = pytest.mark.e2e


def test_a_training_downloads_nothing_after_a_prefetch(
    cluster: Cluster, git_server: GitServer, model_files: Path, dataset_files: Path
) -> None:
    for name, files in (("org/prefetched-model", model_files), ("org/prefetched-data", dataset_files)):
        git_server.create(name)
        git_server.push(name, files)
    overrides = (
        *("cluster.git_credentials.secret=git-credentials", "source@model.source=git", "source@dataset.source=git"),
        f"model.source.url={git_server.url('org/prefetched-model')}",
        f"dataset.source.url={git_server.url('org/prefetched-data')}",
        *("hardware=cpu", "launcher=command", 'launcher.command=[bash,-c,"ls $MODEL_DIR $DATASET_DIR"]'),
        *("model=qwen3-0.6b", "dataset=identity-alauda", "nodes=2"),
    )
    first = BatchJob(compile_manifests("-t", "prefetch", *overrides), cluster).start().wait(300)
    assert first.succeeded, first.log
    assert first.log.count("ftc: downloading") == 2
    then = BatchJob(compile_manifests("-t", "job", *overrides), cluster).start().wait(300)
    assert then.succeeded, then.log
    assert "ftc: downloading" not in then.log
    assert then.log.count("ftc: found in the cache") == 4  # two sources on two nodes
    assert "model.safetensors" in then.log
