"""A repository of a user's, with real git, and the programs that work in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    "PYTHONPATH": os.pathsep.join(sys.path),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "someone@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
ENVIRONMENT.pop("CI", None)


class Said(NamedTuple):
    stdout: str
    stderr: str
    exit_code: int


class Repository(NamedTuple):
    """A directory, and what runs in it."""

    root: Path

    def run(self, *command: str, **environment: str) -> Said:
        done = subprocess.run(
            command, cwd=self.root, env=ENVIRONMENT | environment, capture_output=True, text=True, check=False
        )
        return Said(done.stdout, done.stderr, done.returncode)

    def done(self, *command: str, **environment: str) -> str:
        """The output of a command that must not fail."""
        said = self.run(*command, **environment)
        assert said.exit_code == 0, said
        return said.stdout

    def ftc(self, *arguments: str, **environment: str) -> Said:
        return self.run(sys.executable, "-m", "ftc.cli.main", *arguments, **environment)

    def commit(self, message: str) -> None:
        self.done("git", "add", "-A")
        self.done("git", "commit", "-q", "--no-verify", "-m", message)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def initialised(root: Path) -> Repository:
    """The output of `ftc init`, committed on main."""
    repository = Repository(root)
    assert repository.ftc("init").exit_code == 0
    repository.done("git", "init", "-q", "-b", "main")
    repository.commit("Start")
    return repository
