"""Run the scripts of a pod one by one, in a directory with the layout of the pod."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from e2e.waiting import SOON
from ftc.resources import directory

if TYPE_CHECKING:
    from pathlib import Path

# Scripts that have another name in the pod.
VOLCANO = {"rendezvous.sh": "rendezvous_volcano.sh"}
JOB = {"rendezvous.sh": "rendezvous_job.sh"}
JOBSET = {"rendezvous.sh": "rendezvous_jobset.sh"}
TRAINJOB = {"rendezvous.sh": "rendezvous_trainjob.sh"}
SINGLE = {"rendezvous.sh": "rendezvous_single.sh"}


@dataclass(frozen=True)
class Ended:
    """The exit status of a script, and its log."""

    status: int
    log: str

    def says(self, text: str) -> bool:
        """Whether a line of ftc in the log contains the text."""
        return any(text in line for line in self.log.splitlines() if line.startswith("ftc: "))


@dataclass(frozen=True)
class Started:
    """A running script."""

    process: subprocess.Popen[bytes]
    output: IO[str]

    def end(self, limit: float = 3 * SOON) -> Ended:
        """Wait for the end; a script that takes longer than the limit fails the test."""
        try:
            self.process.wait(timeout=limit)
        finally:
            self.process.kill()
        self.output.seek(0)
        return Ended(self.process.returncode, self.output.read())

    def runs(self) -> bool:
        """Whether it is still running."""
        return self.process.poll() is None


@dataclass(frozen=True)
class PodScripts:
    """The files of a pod in one flat directory, none of them executable, and the environment of its containers."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """Add a compiled file."""
        (self.root / name).write_text(text, encoding="utf-8")

    def start(self, *command: str, **environment: str) -> Started:
        """Start a script with arguments, some of which may name other files of the pod."""
        words = [str(self.root / word) if (self.root / word).exists() else word for word in command]
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.root.parent), **self.environment, **environment}
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed with its owner
        process = subprocess.Popen(
            ["bash", *words], env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        return Started(process, log)

    def run(self, *command: str, **environment: str) -> Ended:
        """Run a script to its end."""
        return self.start(*command, **environment).end()


def pod_scripts(root: Path, names: dict[str, str], **environment: str) -> PodScripts:
    """Copy every script under its own name, and those of `names` under their name in the pod."""
    root.mkdir(parents=True)
    package = directory("scripts")
    for source in [*package.glob("*.sh"), *package.glob("*_*.py")]:
        shutil.copyfile(source, root / source.name)
    for name, source_name in names.items():
        shutil.copyfile(package / source_name, root / name)
    for file in root.iterdir():
        file.chmod(0o644)
    return PodScripts(root, environment)
