"""Downloads from real servers are killed before any command: marked directories are complete, the next fetch succeeds.

tests/unit/scripts/test_kill_fetch.py has the points of fetch.sh itself; these are the points of the downloaders.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from e2e.fetching import Fetch, kill_and_fetch
from e2e.git_server import TOKEN, USER, GitServer
from unit.scripts.small_disk import SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unit.scripts.kill_points import Attempt, Victim

pytestmark = pytest.mark.e2e

TWO_NODES = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job", "VC_TASK_INDEX": "0"}


def numbers_in(whole: Attempt, *scripts: str) -> list[int]:
    """The numbers of the commands of some scripts, and of the commands right after them."""
    assert whole.status == 0, whole.log
    return [number for number, script in enumerate(whole.scripts, 1) if script in scripts]


SHARES = 8


# A sample of the points is quick; `make test-all` has the rest, in shares for several processes.
@pytest.mark.parametrize("share", [0, *(pytest.param(share, marks=pytest.mark.slow) for share in range(1, SHARES))])
@pytest.mark.parametrize("victim", ["all", "first", "one"])
def test_a_fetch_with_git_and_lfs_may_be_killed_at_any_point(
    tmp_path: Path, git_server: GitServer, model_files: Path, victim: Victim, share: int
) -> None:
    name = f"org/killed-{victim}-{share}"
    url = git_server.create(name)
    git_server.push(name, model_files)
    settings = {"SOURCE": url, "REVISION": "main", "GIT_USER": USER, "GIT_TOKEN": TOKEN}
    # One of two nodes that share the cache runs the same commands as a single node.
    world = TWO_NODES if share % 2 else {}

    def fetch(place: str) -> Fetch:
        return Fetch(tmp_path / place, model_files, ("bash", "download_git.sh"), **settings, **world)

    numbers = numbers_in(fetch("whole").attempt(), "download_git.sh", "git_credentials.sh")
    assert len(numbers) > 70
    for number in numbers[share::SHARES]:
        kill_and_fetch(fetch(str(number)), number, victim)
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize("full", [SmallDisk.leave, SmallDisk.leave_files])
def test_git_on_a_full_disk_ends_with_one_line_at_any_of_its_writes(
    tmp_path: Path, git_server: GitServer, model_files: Path, full: Callable[[SmallDisk, int], None]
) -> None:
    name = f"org/full-{full.__name__}"
    url = git_server.create(name)
    git_server.push(name, model_files)
    settings = {"SOURCE": url, "REVISION": "main", "GIT_USER": USER, "GIT_TOKEN": TOKEN}
    ends = []
    for left in (*range(12), *range(12, 60, 4), 90, 120, 150, 200, 300):
        root = tmp_path / str(left)
        with small_disk(root / "volume", pages=1000) as disk:
            fetch = Fetch(root, model_files, ("bash", "download_git.sh"), **settings)
            full(disk, left)
            done = fetch.scripts.run("fetch.sh", *fetch.downloader)
            said = [line for line in done.log.splitlines() if line.startswith("ftc: error: ")]
            assert (done.status, len(said)) in ((0, 0), (1, 1)), f"{left} left\n{done.log}"
            assert fetch.temporary() == []
            disk.free()
            fetch.check(marked=done.status == 0)
            again = fetch.scripts.run("fetch.sh", *fetch.downloader)
            assert again.status == 0, again.log
            fetch.check(marked=True)
        ends.append(done.status)
    assert set(ends) == {0, 1}
