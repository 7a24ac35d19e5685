"""The fixtures of the tests of emitted jobs: ftc, a git server with a password, a trainer, a cluster to run pods in."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer, serve_git
from e2e.pod import Cluster, Image
from e2e.small import SMALL
from e2e.tiny_dataset import write_dataset
from e2e.trainer_environment import PAIRS, Trainer, installed_trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


# A background process of a shell inherits an ignored SIGINT, which its bash children cannot trap.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def git_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """A git server for all tests of a process; each test creates its own repositories."""
    with serve_git(tmp_path_factory.mktemp("git-server") / "server") as server:
        yield server


@pytest.fixture(scope="session")
def trainer() -> Path:
    """The environment of the real trainer."""
    return installed_trainer("0.9.5")


@pytest.fixture(scope="session", params=["0.9.5", pytest.param("0.9.3", marks=pytest.mark.slow)])
def each_trainer(request: pytest.FixtureRequest) -> Trainer:
    """The environment of each release of the trainer that has a schema."""
    release: str = request.param
    return Trainer(release, installed_trainer(release))


_OTHERS = [pytest.param(release, marks=pytest.mark.slow) for release in PAIRS if release != "0.9.5"]


@pytest.fixture(scope="session", params=["0.9.5", *_OTHERS])
def each_pair(request: pytest.FixtureRequest) -> Trainer:
    """The environment of each pair that is compared with its parser and its loader."""
    release: str = request.param
    return Trainer(release, installed_trainer(release))


@pytest.fixture
def cluster(tmp_path: Path, trainer: Path) -> Cluster:
    """A cluster with one image, which has the trainer, and a Secret with the password of the git server."""
    interpreter = (trainer / "bin" / "python").resolve().parents[1]
    variables = {"PATH": f"{trainer}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    login = {"git-credentials": {"username": USER, "password": TOKEN}}
    directories = (trainer, trainer.resolve(), interpreter)  # its scripts contain the path of their installation
    return Cluster(tmp_path / "cluster", Image(directories, variables), secrets=login)


@pytest.fixture(scope="session")
def tiny_model(trainer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a tiny Qwen3."""
    directory = tmp_path_factory.mktemp("tiny-model")
    python = str(trainer / "bin" / "python")
    subprocess.run([python, str(HERE / "tiny_model.py"), str(directory)], check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def model_source(git_server: GitServer, tiny_model: Path) -> tuple[str, ...]:
    """The overrides for a model in a git repository with a password."""
    model = git_server.create("org/tiny-qwen3")
    git_server.push("org/tiny-qwen3", tiny_model)
    login = ("cluster.git_credentials.secret=git-credentials",)
    return (*login, "source@model.source=git", f"model.source.url={model}")


@pytest.fixture(scope="session")
def sources(
    git_server: GitServer, model_source: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, ...]:
    """The overrides for the model and for a dataset in another repository."""
    dataset = git_server.create("org/identity")
    git_server.push("org/identity", write_dataset(tmp_path_factory.mktemp("dataset") / "files"))
    return (*model_source, "dataset=identity-alauda", f"dataset.source.url={dataset}", *SMALL)


@pytest.fixture
def model_files(tmp_path: Path) -> Path:
    """Files like a model's, some in LFS."""
    files = tmp_path / "model-files"
    (files / "sub").mkdir(parents=True)
    (files / "config.json").write_text('{"model_type": "none"}', encoding="utf-8")
    (files / "model.safetensors").write_bytes(os.urandom(300_000))
    (files / "sub" / "with a blank.safetensors").write_bytes(os.urandom(1000))
    return files


@pytest.fixture
def dataset_files(tmp_path: Path) -> Path:
    """Files like a dataset's for LLaMA-Factory."""
    return write_dataset(tmp_path / "dataset-files")
