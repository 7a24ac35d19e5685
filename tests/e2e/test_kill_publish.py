"""Publishing is killed before any command: at most one complete branch exists, and the next attempt creates it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer
from e2e.pod_scripts import SINGLE, PodScripts, pod_scripts
from unit.scripts.kill_points import NEVER, PATH, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from unit.scripts.kill_points import Attempt, Victim

pytestmark = pytest.mark.e2e

SHARES = 8


class Publishing:
    """A result of a training, and the scripts that push it to a repository."""

    def __init__(self, root: Path, server: GitServer, name: str) -> None:
        """Lay them out."""
        self.root, self.server, self.name = root, server, name
        self.result = root / "workspace" / "job-1" / "output"
        self.result.mkdir(parents=True)
        (root / "tmp").mkdir()
        (self.result / "adapter_model.safetensors").write_bytes(os.urandom(50_000))
        (self.result / "adapter_config.json").write_text("{}\n", encoding="utf-8")
        (self.result.parent / "train.done").write_text("done", encoding="utf-8")
        environment = {
            "WORKSPACE": str(root / "workspace"),
            "JOB_NAME": "job-1",
            "NNODES": "1",
            "TMPDIR": str(root / "tmp"),
            "PUBLISH_URL": server.create(name),
            "PUBLISH_BRANCH_PREFIX": "run",
            "PUBLISH_MESSAGE": "a run",
            "GIT_USER": USER,
            "GIT_TOKEN": TOKEN,
        }
        self.scripts: PodScripts = pod_scripts(root / "ftc", SINGLE, **environment)

    def attempt(self, number: int = NEVER, victim: Victim = "all") -> Attempt:
        """Publish, and be killed before a command."""
        words = [str(self.scripts.root / name) for name in ("publish.sh", "publish_git.sh")]
        variables = {"PATH": PATH, "HOME": str(self.root), **self.scripts.environment}
        return attempt(["bash", words[0], "bash", words[1]], variables, self.root, number, victim)

    def check(self, clone: str) -> int:
        """Clone and compare the published result; returns the number of branches, at most one."""
        branches = self.server.branches(self.name)
        assert len(branches) <= 1
        for branch in branches:
            found = self.server.clone(self.name, branch, self.root / clone)
            compare = ["diff", "-r", "--exclude=.git", "--exclude=.gitattributes", str(self.result), str(found)]
            assert subprocess.run(compare, check=False).returncode == 0
        assert sorted(file.name for file in self.result.parent.iterdir()) == ["output", "train.done"]
        return len(branches)


@pytest.mark.parametrize("share", [0, *(pytest.param(share, marks=pytest.mark.slow) for share in range(1, SHARES))])
@pytest.mark.parametrize("victim", ["all", "first", "one"])
def test_a_result_is_published_once_and_whole_after_a_kill_at_any_point(
    tmp_path: Path, git_server: GitServer, victim: Victim, share: int
) -> None:
    whole = Publishing(tmp_path / "whole", git_server, f"org/publish-{victim}-whole-{share}")
    done = whole.attempt()
    assert done.status == 0, done.log
    assert whole.check("clone") == 1
    own = ("publish.sh", "publish_git.sh", "git_credentials.sh")
    numbers = [number for number, script in enumerate(done.scripts, 1) if script in own]
    assert len(numbers) > 70
    for number in numbers[share::SHARES]:
        run = Publishing(tmp_path / str(number), git_server, f"org/publish-{victim}-{number}")
        killed = run.attempt(number, victim)
        at = f"killed before command {number}, {killed.killed_before}\n{killed.log}"
        run.check("first")
        again = run.scripts.run("publish.sh", "bash", "publish_git.sh")
        assert again.status == 0, f"{at}\n{again.log}"
        killed.wait_for_survivors()
        assert run.check("second") == 1, at
