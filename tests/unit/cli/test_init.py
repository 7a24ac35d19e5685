"""`ftc init`: a repository says where CI gets this ftc, and never the name alone, which may be another program's."""

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
    """An environment that ftc was installed into, from a place that pip recorded or, from an index, did not."""
    information = site / "ftc-0.1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ftc\nVersion: 0.1.0\n")
    if origin is not None:
        (information / "direct_url.json").write_text(json.dumps(origin))
    (site / "ftc").symlink_to(ROOT / "compiler" / "ftc")


def initialised(tmp_path: Path, origin: object) -> tuple[str, Said]:
    """The requirements that `ftc init` writes, and what it says."""
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
        (None, "came from an index, and which one is not recorded"),
        ({"url": "file:///home/me/ftc", "dir_info": {}}, "came from a file or directory of one machine"),
        ({"url": "file:///home/me/ftc.whl", "archive_info": {}}, "came from a file or directory of one machine"),
        (
            {"url": "file:///home/me/ftc", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            "came from a file or directory of one machine",
        ),
    ],
)
def test_where_that_is_not_known_it_is_said_and_nothing_is_installed(origin: object, why: str, tmp_path: Path) -> None:
    text, said = initialised(tmp_path, origin)
    assert said.stderr == f"ftc: say in requirements.txt where CI gets ftc: here it {why}\n"
    assert "/home/me" not in text
    (line,) = lines(text)
    assert line.startswith("ftc @ file:///")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=tmp_path / "runs", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "say-in-requirements.txt-where-ftc-comes-from" in done.stderr


def test_a_repository_that_says_it_already_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("ftc @ https://packages.example.com/ftc.whl\n")
    assert Repository(tmp_path).ftc("init").stderr == ""
