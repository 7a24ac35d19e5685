"""A fetch into a shared volume, and the invariants of the volume."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from e2e.pod_scripts import VOLCANO, PodScripts, pod_scripts
from unit.scripts.kill_points import NEVER, Attempt, Victim, attempt

if TYPE_CHECKING:
    from pathlib import Path


class Fetch:
    """A fetch into a volume with a result of another run."""

    def __init__(self, root: Path, files: Path, downloader: tuple[str, ...], **environment: str) -> None:
        """Create the scripts and the volume; `files` are the expected files."""
        (root / "volume" / "cache").mkdir(parents=True)
        (root / "volume" / "results").write_text("results", encoding="utf-8")
        self.root, self.files, self.downloader = root, files, downloader
        self.target = root / "volume" / "cache" / "source-1f0c2a9e"
        place = {"TARGET_DIR": str(self.target), "NNODES": "1", "SHARED_CACHE": "true", "FETCH_TIMEOUT": "600"}
        self.scripts: PodScripts = pod_scripts(root / "ftc", VOLCANO, **{**place, **environment})

    def attempt(self, number: int = NEVER, victim: Victim = "all") -> Attempt:
        """Fetch, and be killed before a command."""
        command = ["bash", str(self.scripts.root / "fetch.sh"), *self.words()]
        return attempt(command, self.variables(), self.root, number, victim)

    def words(self) -> list[str]:
        """The downloader's command."""
        files = {file.name: str(file) for file in self.scripts.root.iterdir()}
        return [files.get(word, word) for word in self.downloader]

    def variables(self) -> dict[str, str]:
        """The environment of the container."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.root), **self.scripts.environment}

    def check(self, *, marked: bool = False) -> None:
        """A directory with a marker is complete, and nothing else on the volume has changed."""
        volume = self.root / "volume"
        assert (volume / "results").read_text() == "results"
        assert {place.name for place in volume.iterdir()} == {"cache", "results"}
        assert all(place.name.startswith(self.target.name) for place in self.target.parent.iterdir())
        assert self.target.exists() or not marked
        if self.target.exists():
            ignored = ["--exclude=.gitattributes", "-r", str(self.files), str(self.target / "files")]
            assert subprocess.run(["diff", *ignored], check=False).returncode == 0
            assert len((self.target / ".ftc-revision").read_text().splitlines()) == 3

    def temporary(self) -> list[Path]:
        """The files that killed fetches left."""
        return list(self.target.parent.glob("*.ftc-tmp.*"))


def kill_and_fetch(fetch: Fetch, number: int, victim: Victim) -> None:
    """Kill a fetch before a command, fetch again, and check the volume after each."""
    killed = fetch.attempt(number, victim)
    at = f"killed before command {number}, {killed.killed_before}\n{killed.log}"
    assert killed.killed_before is not None, at
    fetch.check()
    again = fetch.scripts.run("fetch.sh", *fetch.downloader)
    assert again.status == 0, f"{at}\n{again.log}"
    fetch.check(marked=True)
    killed.wait_for_survivors()
    fetch.check(marked=True)
    assert len(fetch.temporary()) <= 1, at
