"""What the tests of emitted jobs stand on: ftc, a git server with a password, a trainer, a cluster to run pods in."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer, serve_git
from e2e.pod import Cluster, Image
from e2e.tiny_dataset import write_dataset
from e2e.trainer_environment import Trainer, installed_trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


# A run in the background of a shell inherits an ignored SIGINT, which no bash below it could trap.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def git_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """A git server for all tests of a process; each test makes repositories of its own."""
    with serve_git(tmp_path_factory.mktemp("git-server") / "server") as server:
        yield server


@pytest.fixture(scope="session")
def trainer() -> Path:
    """The environment of the real trainer."""
    return installed_trainer("0.9.5")


@pytest.fixture(scope="session", params=["0.9.5", pytest.param("0.9.3", marks=pytest.mark.slow)])
def each_trainer(request: pytest.FixtureRequest) -> Trainer:
    """A release of the trainer, with its environment: those whose arguments are known here, each in turn."""
    release: str = request.param
    return Trainer(release, installed_trainer(release))


@pytest.fixture
def cluster(tmp_path: Path, trainer: Path) -> Cluster:
    """A cluster whose one image has the trainer, and whose Secret has the password of the git server."""
    interpreter = (trainer / "bin" / "python").resolve().parents[1]
    variables = {"PATH": f"{trainer}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    login = {"git-credentials": {"username": USER, "password": TOKEN}}
    directories = (trainer, trainer.resolve(), interpreter)  # its scripts name the place that they were installed to
    return Cluster(tmp_path / "cluster", Image(directories, variables), secrets=login)


@pytest.fixture(scope="session")
def tiny_model(trainer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a tiny Qwen3."""
    directory = tmp_path_factory.mktemp("tiny-model")
    python = str(trainer / "bin" / "python")
    subprocess.run([python, str(HERE / "tiny_model.py"), str(directory)], check=True, capture_output=True)
    return directory


@pytest.fixture
def model_files(tmp_path: Path) -> Path:
    """Files as of a model: some go by LFS."""
    files = tmp_path / "model-files"
    (files / "sub").mkdir(parents=True)
    (files / "config.json").write_text('{"model_type": "none"}', encoding="utf-8")
    (files / "model.safetensors").write_bytes(os.urandom(300_000))
    (files / "sub" / "with a blank.safetensors").write_bytes(os.urandom(1000))
    return files


@pytest.fixture
def dataset_files(tmp_path: Path) -> Path:
    """Files as of a dataset for LLaMA-Factory."""
    return write_dataset(tmp_path / "dataset-files")
