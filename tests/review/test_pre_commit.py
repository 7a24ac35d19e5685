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


def offered(directory: Path, home: str, hook: dict[str, str]) -> str:
    """A configuration with a hook as others use it, but with the ftc that is installed.

    pre-commit would create an environment from a package index.
    """
    hooks = Repository(directory)
    hooks.root.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks.root)
    hooks.done("git", "init", "-q", "-b", "main")
    hooks.commit("Hooks")
    hooks.done("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml", PRE_COMMIT_HOME=home)
    revision = hooks.done("git", "rev-parse", "HEAD").strip()
    configuration = {"repo": str(hooks.root), "rev": revision, "hooks": [{"language": "system", **hook}]}
    return yaml.safe_dump({"repos": [configuration]})


def test_the_golden_hook_that_this_repository_offers(tmp_path: Path, home: str) -> None:
    (tmp_path / "runs").mkdir()
    repository = initialised(tmp_path / "runs")
    configuration = offered(tmp_path / "ftc", home, {"id": "ftc-golden-check"})
    (repository.root / ".pre-commit-config.yaml").write_text(configuration)
    walks(repository, home)


def test_the_lint_hook_that_this_repository_offers(tmp_path: Path, home: str) -> None:
    """A commit of a manifest with a mistake is stopped; a file outside of `files` is not read."""
    repository = Repository(tmp_path / "deploy")
    repository.root.mkdir()
    repository.done("git", "init", "-q", "-b", "main")
    configuration = offered(tmp_path / "ftc", home, {"id": "ftc-lint", "files": r"^jobs/.*\.yaml$"})
    (repository.root / ".pre-commit-config.yaml").write_text(configuration)
    repository.commit("Hooks")
    repository.done("pre-commit", "install", PRE_COMMIT_HOME=home)
    wrong = "stage: sft\ndo_train: true\nmodel_name_or_path: m\ntemplate: qwen\ndataset: d\nlearning_rte: 0.1\n"
    (repository.root / "jobs").mkdir()
    (repository.root / "jobs" / "train.yaml").write_text(wrong)
    (repository.root / "broken.yaml").write_text("a: [\n")
    repository.done("git", "add", "-A")
    stopped = repository.run("git", "commit", "-q", "-m", "A job", PRE_COMMIT_HOME=home)
    assert stopped.exit_code != 0
    said = stopped.stdout + stopped.stderr
    assert "jobs/train.yaml:6:1: error[FTC404 invalid-argument]" in said
    assert "broken.yaml" not in said
    repository.edit("jobs/train.yaml", "learning_rte", "learning_rate")
    repository.done("git", "add", "-A")
    repository.done("git", "commit", "-q", "-m", "A job", PRE_COMMIT_HOME=home)


def test_the_hooks_install_the_command_that_they_run() -> None:
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        assert hook["language"] == "python"
        assert hook["entry"].split()[0] == "ftc"
    assert 'ftc = "ftc.cli.main:main"' in (ROOT / "pyproject.toml").read_text()
