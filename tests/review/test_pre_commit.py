"""pre-commit, run for real: what `ftc init` configures, and what this repository offers to others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from review.repository import Repository, initialised
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CASE = "golden/my-run/train.yaml"


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where pre-commit keeps what it has cloned."""
    return str(tmp_path_factory.mktemp("home"))


def walks(repository: Repository, home: str) -> None:
    """A commit of a hand-edited golden file is stopped; one that has nothing to do with them is not."""
    repository.done("pre-commit", "install", PRE_COMMIT_HOME=home)
    repository.edit(CASE, "learning_rate: 1.0e-4", "learning_rate: 0.5")
    repository.done("git", "add", "-A")
    stopped = repository.run("git", "commit", "-q", "-m", "Edit", PRE_COMMIT_HOME=home)
    assert stopped.exit_code != 0
    said = stopped.stdout + stopped.stderr
    assert f"{CASE}: edited by hand" in said
    assert "-learning_rate: 0.5" in said
    assert repository.ftc("golden", "update").exit_code == 0
    (repository.root / "notes.md").write_text("mine\n")
    repository.done("git", "add", "-A")
    repository.done("git", "commit", "-q", "-m", "Notes", PRE_COMMIT_HOME=home)
    repository.edit("conf/my-run.yaml", "nodes: 1", "nodes: 2")
    assert repository.ftc("golden", "update").exit_code == 0
    repository.done("git", "add", "-A")
    repository.done("git", "commit", "-q", "-m", "Two nodes", PRE_COMMIT_HOME=home)
    assert repository.done("git", "status", "--porcelain") == ""


def test_the_configuration_of_init(tmp_path: Path, home: str) -> None:
    repository = initialised(tmp_path)
    repository.done("pre-commit", "validate-config", PRE_COMMIT_HOME=home)
    walks(repository, home)


def test_the_hook_that_this_repository_offers(tmp_path: Path, home: str) -> None:
    """As others use it, but with the ftc that is installed: pre-commit would make an environment from an index."""
    offered = Repository(tmp_path / "ftc")
    offered.root.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", offered.root)
    offered.done("git", "init", "-q", "-b", "main")
    offered.commit("Hooks")
    offered.done("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml", PRE_COMMIT_HOME=home)
    revision = offered.done("git", "rev-parse", "HEAD").strip()
    (tmp_path / "runs").mkdir()
    repository = initialised(tmp_path / "runs")
    hook = {"id": "ftc-golden-check", "language": "system"}
    configuration = {"repos": [{"repo": str(offered.root), "rev": revision, "hooks": [hook]}]}
    (repository.root / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configuration))
    walks(repository, home)


def test_the_hook_installs_the_command_that_it_runs() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["language"] == "python"
    assert hook["entry"].split()[0] == "ftc"
    assert 'ftc = "ftc.cli.main:main"' in (ROOT / "pyproject.toml").read_text()
