"""`ftc init` names the source from which CI installs ftc, never the name alone, which may be another program's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from review.repository import Repository, Said
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://git.example.com/team/ftc"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WHEEL = "https://packages.example.com/ftc-0.1.0-py3-none-any.whl"


def installed(site: Path, origin: object) -> None:
    """Fake an environment in which ftc was installed from `origin`, or from an index that pip does not record."""
    information = site / "ftc-0.1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ftc\nVersion: 0.1.0\n")
    if origin is not None:
        (information / "direct_url.json").write_text(json.dumps(origin))
    (site / "ftc").symlink_to(ROOT / "compiler" / "ftc")


def initialised(tmp_path: Path, origin: object) -> tuple[str, Said]:
    """The requirements that `ftc init` writes, and its output."""
    installed(tmp_path / "site", origin)
    (tmp_path / "runs").mkdir()
    said = Repository(tmp_path / "runs").ftc("init", PYTHONPATH=str(tmp_path / "site"))
    assert said.exit_code == 0, said
    return (tmp_path / "runs" / "requirements.txt").read_text(), said


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({"url": URL, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, f"ftc @ git+{URL}@{COMMIT}"),
        (
            {"url": URL, "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}},
            f"ftc @ git+{URL}@{COMMIT}",
        ),
        (
            {"url": URL, "vcs_info": {"vcs": "git", "commit_id": COMMIT}, "subdirectory": "tools/ftc"},
            f"ftc @ git+{URL}@{COMMIT}#subdirectory=tools/ftc",
        ),
        ({"url": WHEEL, "archive_info": {"hashes": {"sha256": "ab12"}}}, f"ftc @ {WHEEL}#sha256=ab12"),
        ({"url": WHEEL, "archive_info": {}}, f"ftc @ {WHEEL}"),
    ],
)
def test_ci_gets_ftc_from_where_it_was_installed(origin: object, line: str, tmp_path: Path) -> None:
    text, said = initialised(tmp_path, origin)
    assert lines(text) == [line]
    assert said.stderr == ""


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        (None, "was installed from an index, and pip does not record which"),
        ({"url": "file:///home/me/ftc", "dir_info": {}}, "was installed from a local file or directory"),
        ({"url": "file:///home/me/ftc.whl", "archive_info": {}}, "was installed from a local file or directory"),
        (
            {"url": "file:///home/me/ftc", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            "was installed from a local file or directory",
        ),
    ],
)
def test_an_unknown_source_is_reported_and_nothing_is_installed(origin: object, why: str, tmp_path: Path) -> None:
    text, said = initialised(tmp_path, origin)
    assert said.stderr == f"ftc: edit requirements.txt so that CI can install ftc: this one {why}\n"
    assert "/home/me" not in text
    (line,) = lines(text)
    assert line.startswith("ftc @ file:///")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=tmp_path / "runs", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "say-in-requirements.txt-where-ftc-comes-from" in done.stderr


def test_existing_requirements_are_kept(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("ftc @ https://packages.example.com/ftc.whl\n")
    assert Repository(tmp_path).ftc("init").stderr == ""


OF_ROOT = (".github/workflows/ftc.yaml", ".gitlab-ci.yml", ".pre-commit-config.yaml")


def test_below_the_root_of_a_repository_no_file_is_written_that_only_the_root_may_have(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.done("git", "init", "-q", "-b", "main")
    (tmp_path / "ml runs").mkdir()
    for place, golden, requirements in (
        ("ml/runs", "ml/runs/golden", "ml/runs/requirements.txt"),
        ("ml runs", "'ml runs/golden'", "'ml runs/requirements.txt'"),
    ):
        said = repository.ftc("init", place)
        assert not [name for name in OF_ROOT if (tmp_path / place / name).exists() or name in said.stdout]
        assert "pre-commit" not in (tmp_path / place / "README.md").read_text()
        commands = (
            f"pip install -r {requirements} && ftc golden check --dir {golden} && "
            f"ftc diff --base origin/main --dir {golden}"
        )
        assert f"ftc: {place} is not the root of its git repository: add to its CI: {commands}\n" in said.stderr
    repository.commit("Start")
    assert repository.ftc("golden", "check", "--dir", "ml/runs/golden").exit_code == 0
    assert repository.ftc("diff", "--base", "main", "--dir", "ml/runs/golden", "--exit-code").exit_code == 0


@pytest.mark.parametrize("is_root", [True, False])
def test_at_the_root_of_a_repository_or_without_one_the_files_of_ci_are_written(tmp_path: Path, is_root: bool) -> None:  # noqa: FBT001 - a parameter
    repository = Repository(tmp_path / "runs")
    repository.root.mkdir()
    if is_root:
        for directory in (tmp_path, repository.root):
            Repository(directory).done("git", "init", "-q")
    said = repository.ftc("init")
    assert [name for name in OF_ROOT if (repository.root / name).exists()] == list(OF_ROOT)
    assert "is not the root" not in said.stderr
    assert "pre-commit" in (repository.root / "README.md").read_text()
