"""fetch.sh is killed before each of its commands: a marked directory is complete, and the next fetch succeeds.

The downloader is a small one, because tests/e2e covers the points inside the real ones. It writes a file in
two pieces, so that it can be killed in the middle.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ftc.resources import directory
from unit.scripts.kill_points import NEVER, Attempt, Victim, attempt

CONTENT = {"config.json": b"{}\n", "sub/weights": b"0123456789" * 100, "latest": b"{}\n"}
DOWNLOADER = """\
set -eu
trap 'echo "ftc: error: cannot write" >&2' ERR
printf '{}\\n' >"$DOWNLOAD_DIR/config.json"
mkdir "$DOWNLOAD_DIR/sub"
head -c 500 "$PARTS/sub/weights" >"$DOWNLOAD_DIR/sub/weights"
cp "$PARTS/sub/weights" "$DOWNLOAD_DIR/sub/weights"
ln -s config.json "$DOWNLOAD_DIR/latest"
if [ -n "${POINTER:-}" ]; then printf '%s\\n' "$POINTER" >"$DOWNLOAD_DIR/large"; fi
echo 89abcdef >"$REVISION_FILE"
"""
MARKER = b"89abcdef\nrequested: main\nsource: quick://source\n"
TWO_NODES = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job", "SHARED_CACHE": "true"}


def nothing(target: Path) -> None:
    """The directory of the source does not exist."""
    assert not target.exists()


def leftover(target: Path) -> None:
    """A directory without a marker is in the way."""
    (target / "files").mkdir(parents=True)
    (target / "files" / "config.json").write_text("old", encoding="utf-8")


def cut_marker(target: Path) -> None:
    """A node lost power while it wrote a marker."""
    leftover(target)
    (target / ".ftc-revision").write_bytes(MARKER[:20])


def whole(target: Path) -> None:
    """The source is in the cache."""
    for name, content in CONTENT.items():
        (target / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (target / "files" / name).write_bytes(content)
    (target / ".ftc-revision").write_bytes(MARKER)


class Volume:
    """The cache of a pod, with the files of others, and the scripts that fetch into it."""

    def __init__(self, root: Path, **environment: str) -> None:
        """Lay them out."""
        self.root, self.volume = root, root / "volume"
        self.cache = self.volume / "cache"
        self.target = self.cache / "source-1f0c2a9e"
        scripts, tools = root / "ftc", root / "bin"
        for place in (scripts, tools, self.cache / "source-22222222" / "files", self.volume / "run" / "output"):
            place.mkdir(parents=True)
        for source in directory("scripts").glob("*.sh"):
            shutil.copyfile(source, scripts / source.name)
        shutil.copyfile(scripts / "rendezvous_volcano.sh", scripts / "rendezvous.sh")
        (scripts / "downloader.sh").write_text(DOWNLOADER, encoding="utf-8")
        # Waiting nodes poll often.
        (tools / "sleep").write_text("#!/bin/sh\nexec /bin/sleep 0.02\n", encoding="utf-8")
        (tools / "sleep").chmod(0o755)
        (self.cache / "source-22222222" / "files" / "config.json").write_text("of another source", encoding="utf-8")
        (self.cache / "source-22222222" / ".ftc-revision").write_bytes(MARKER)
        (self.volume / "run" / "output" / "adapter").write_text("of a run", encoding="utf-8")
        (root / "parts" / "sub").mkdir(parents=True)
        (root / "parts" / "sub" / "weights").write_bytes(CONTENT["sub/weights"])
        self.others = self.files_of_others()
        self.command = ["bash", str(scripts / "fetch.sh"), "bash", str(scripts / "downloader.sh")]
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(root),
            "PARTS": str(root / "parts"),
            "SOURCE": "quick://source",
            "REVISION": "main",
            "TARGET_DIR": str(self.target),
            "NNODES": "1",
            "SHARED_CACHE": "false",
            "FETCH_TIMEOUT": "600",
            **environment,
        }

    def attempt(self, number: int, victim: Victim, **environment: str) -> Attempt:
        """Fetch, and be killed."""
        return attempt(self.command, {**self.environment, **environment}, self.root, number, victim)

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Fetch once more."""
        variables = {**self.environment, **environment}
        return subprocess.Popen(
            self.command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def files_of_others(self) -> dict[str, bytes]:
        """Every file on the volume that does not belong to this source."""
        found: dict[str, bytes] = {}
        for root, below, files in os.walk(self.volume):
            # A fetch that outlived the kill may rename and delete its directories at any time.
            below[:] = [name for name in below if not name.startswith(self.target.name)]
            places = [Path(root, name) for name in files]
            found |= {str(place.relative_to(self.volume)): place.read_bytes() for place in places}
        return found

    def temporary(self) -> list[Path]:
        """The directories that killed fetches left or moved aside."""
        return list(self.cache.glob("*.ftc-tmp.*"))

    def is_marked(self) -> bool:
        """Whether the directory has a complete marker."""
        marker = self.target / ".ftc-revision"
        return marker.exists() and marker.read_bytes() == MARKER

    def check_what_is_marked(self) -> None:
        """A directory with a marker has all files complete, and the files of others are unchanged."""
        assert self.files_of_others() == self.others
        if self.is_marked():
            files = self.target / "files"
            found = {str(file.relative_to(files)): file.read_bytes() for file in files.rglob("*") if file.is_file()}
            assert found == CONTENT

    def check_end(self, *ended: subprocess.Popen[str]) -> None:
        """Every fetch succeeded, and the source is in the cache."""
        for one in ended:
            log, _ = one.communicate(timeout=300)
            assert one.returncode == 0, log
        assert self.is_marked()
        self.check_what_is_marked()


STARTS = {"nothing": nothing, "leftover": leftover, "cut-marker": cut_marker, "whole": whole}


def made(root: Path, start: str) -> Volume:
    """A volume, and what is in the place of the source."""
    volume = Volume(root)
    STARTS[start](volume.target)
    return volume


CASES = [
    *(("nothing", victim) for victim in ("all", "first", "one")),
    *((start, "all") for start in ("leftover", "cut-marker", "whole")),
]
SHARES = 16
# A sample of the points is quick; the long tests cover all of them, split for several processes.
IN_SHARES = pytest.mark.parametrize(
    "share", [0, *(pytest.param(share, marks=pytest.mark.slow) for share in range(1, SHARES))]
)


def points_of(volume: Volume, **environment: str) -> tuple[str, ...]:
    """The scripts of all commands of a fetch that is not killed."""
    done = volume.attempt(NEVER, "all", **environment)
    assert (done.status, done.killed_before) == (0, None), done.log
    volume.check_end()
    shutil.rmtree(volume.root)
    return done.scripts


@IN_SHARES
@pytest.mark.parametrize(("start", "victim"), CASES)
def test_a_fetch_after_a_kill_at_any_point_ends_well(tmp_path: Path, start: str, victim: Victim, share: int) -> None:
    points = len(points_of(made(tmp_path / "counted", start)))
    assert points > (20 if start == "whole" else 100)
    for number in range(share + 1, points + 1, SHARES):
        volume = made(tmp_path / str(number), start)
        killed = volume.attempt(number, victim)
        at = f"killed before command {number}, {killed.killed_before}\n{killed.log}"
        assert killed.killed_before is not None, at
        volume.check_what_is_marked()
        volume.check_end(volume.start())
        killed.wait_for_survivors()
        volume.check_end()
        # The scratch directory of the killed one, what was in the way, and the directory that was made for that.
        assert len(volume.temporary()) <= (1 if start in ("nothing", "whole") else 3), at
        shutil.rmtree(volume.root)


@IN_SHARES
@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_two_nodes_that_share_a_cache_one_may_be_killed_at_any_point(tmp_path: Path, rank: str, share: int) -> None:
    other = "1" if rank == "0" else "0"
    points = 60 if rank == "1" else len(points_of(Volume(tmp_path / "counted", **TWO_NODES, VC_TASK_INDEX="0")))
    for number in range(share + 1, points + 1, SHARES):
        volume = Volume(tmp_path / str(number), **TWO_NODES)
        waits = volume.start(VC_TASK_INDEX=other)
        killed = volume.attempt(number, "all", VC_TASK_INDEX=rank)
        volume.check_what_is_marked()
        volume.check_end(waits, volume.start(VC_TASK_INDEX=rank))
        assert len(volume.temporary()) <= 1, f"killed before command {number}, {killed.killed_before}\n{killed.log}"
        shutil.rmtree(volume.root)


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5"


def test_a_check_that_is_killed_in_part_lets_no_pointer_pass(tmp_path: Path) -> None:
    refused = Volume(tmp_path / "counted", POINTER=POINTER).attempt(NEVER, "all")
    assert refused.status == 1
    numbers = [number for number, script in enumerate(refused.scripts, 1) if script == "check_fetched.sh"]
    assert len(numbers) > 15
    for number in numbers:
        volume = Volume(tmp_path / str(number), POINTER=POINTER)
        killed = volume.attempt(number, "one")
        assert killed.status != 0, f"killed before command {number}, {killed.killed_before}\n{killed.log}"
        assert not volume.target.exists()
        shutil.rmtree(volume.root)
