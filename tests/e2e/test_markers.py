"""A download is valid if its marker is complete, and the marker is complete only if the files are on the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from e2e.instead import instead
from e2e.pod_scripts import VOLCANO, PodScripts, pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

WHOLE = "0123456789abcdef\nrequested: main\nsource: quick://source\n"
QUICK = 'echo new >"$DOWNLOAD_DIR/config.json"\necho 89abcdef >"$REVISION_FILE"\n'
WORLD = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The directory of the source."""
    return tmp_path / "cache" / "source-1f0c2a9e"


@pytest.fixture
def scripts(tmp_path: Path, target: Path) -> PodScripts:
    """The scripts of a pod that fetches one small file."""
    place = {"SOURCE": "quick://source", "TARGET_DIR": str(target), "SHARED_CACHE": "true", "NNODES": "1"}
    made = pod_scripts(tmp_path / "ftc", VOLCANO, **place, FETCH_TIMEOUT="600")
    made.write("quick.sh", QUICK)
    return made


def lay(target: Path, marker: str) -> None:
    """A directory as an earlier download left it."""
    (target / "files").mkdir(parents=True)
    (target / "files" / "config.json").write_text("old\n", encoding="utf-8")
    (target / ".ftc-revision").write_text(marker, encoding="utf-8")


def test_a_whole_download_is_not_fetched_again(scripts: PodScripts, target: Path) -> None:
    lay(target, WHOLE)
    done = scripts.run("fetch.sh", "false")
    assert (done.status, done.says("found in the cache")) == (0, True), done.log
    assert done.says("revision 0123456789abcdef")


UNFINISHED = ["", "\n", "0123456789abcdef\n", WHOLE[:-1], WHOLE[:30], "\0" * len(WHOLE), WHOLE[17:]]


@pytest.mark.parametrize("marker", UNFINISHED, ids=range(len(UNFINISHED)))
def test_a_marker_that_is_empty_or_cut_short_does_not_count(scripts: PodScripts, target: Path, marker: str) -> None:
    lay(target, marker)
    waiting = scripts.run("fetch.sh", "false", **WORLD, VC_TASK_INDEX="1", FETCH_TIMEOUT="1")
    assert waiting.says("rank 0 has not fetched quick://source"), waiting.log
    done = scripts.run("fetch.sh", "bash", "quick.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "config.json").read_text() == "new\n"


@pytest.mark.parametrize("name", [".ftc-revision", "files"])
def test_a_link_in_the_place_of_the_marker_or_the_files_does_not_count(
    scripts: PodScripts, target: Path, name: str
) -> None:
    lay(target, WHOLE)
    (target / name).rename(target.parent / "elsewhere")
    (target / name).symlink_to(target.parent / "elsewhere")
    done = scripts.run("fetch.sh", "bash", "quick.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "config.json").read_text() == "new\n"
    assert not (target / name).is_symlink()


def test_a_cache_of_the_first_releases_with_its_marker_among_the_files_is_not_taken_for_a_download(
    scripts: PodScripts, target: Path
) -> None:
    target.mkdir(parents=True)
    (target / ".ftc-revision").write_text(WHOLE, encoding="utf-8")
    (target / "config.json").write_text("old\n", encoding="utf-8")
    done = scripts.run("fetch.sh", "bash", "quick.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "config.json").read_text() == "new\n"


def test_the_files_and_the_marker_are_written_back_before_they_get_their_name(
    scripts: PodScripts, target: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    note = f'for last; do :; done; (cd "$last" && find . -type f && ls {target}) >{seen} 2>&1'
    path = instead(tmp_path, "sync", f'case $1 in --help) echo "  -f, --file-system" ;; *) {note}; exit 0 ;; esac')
    done = scripts.run("fetch.sh", "bash", "quick.sh", PATH=path)
    assert done.status == 0, done.log
    first, second, third = sorted(seen.read_text().splitlines())
    assert (first, second) == ("./.ftc-revision", "./files/config.json")
    assert "No such file" in third


def test_a_disk_that_does_not_take_the_files_ends_the_fetch(scripts: PodScripts, target: Path, tmp_path: Path) -> None:
    path = instead(tmp_path, "sync", 'if [ "$1" = --help ]; then echo "-f"; else echo EIO >&2; exit 1; fi')
    done = scripts.run("fetch.sh", "bash", "quick.sh", PATH=path)
    assert (done.status, done.says("cannot write the files of")) == (1, True), done.log
    assert list(target.parent.iterdir()) == []


def test_a_sync_that_knows_no_single_file_system_writes_back_all(
    scripts: PodScripts, target: Path, tmp_path: Path
) -> None:
    path = instead(
        tmp_path, "sync", f'if [ $# = 0 ]; then touch {tmp_path}/all; else echo "Usage: sync" >&2; exit 1; fi'
    )
    done = scripts.run("fetch.sh", "bash", "quick.sh", PATH=path)
    assert done.status == 0, done.log
    assert (tmp_path / "all").exists()
    assert (target / "files" / "config.json").exists()


@pytest.mark.parametrize("revision", ["", "two\\nlines\\n", "no end"])
def test_a_downloader_that_does_not_name_its_revision_leaves_nothing(
    scripts: PodScripts, target: Path, revision: str
) -> None:
    scripts.write("odd.sh", f'echo new >"$DOWNLOAD_DIR/config.json"\nprintf \'{revision}\' >"$REVISION_FILE"\n')
    done = scripts.run("fetch.sh", "bash", "odd.sh")
    assert (done.status, done.says("did not report the revision")) == (1, True), done.log
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("state", ["whole", "unfinished", "dangling"])
def test_a_link_to_another_disk_in_the_place_of_the_directory(
    scripts: PodScripts, target: Path, tmp_path: Path, state: str
) -> None:
    other = tmp_path / "other disk"
    if state != "dangling":
        lay(other, WHOLE if state == "whole" else "")
    target.parent.mkdir()
    target.symlink_to(other)
    done = scripts.run("fetch.sh", "bash", "quick.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "config.json").read_text() == ("old\n" if state == "whole" else "new\n")
    assert target.is_symlink() == (state == "whole")
    assert other.exists() == (state != "dangling")
    assert state == "dangling" or (other / "files" / "config.json").read_text() == "old\n"


def test_a_clock_of_the_environment_does_not_shorten_the_wait(scripts: PodScripts) -> None:
    start = time.monotonic()
    done = scripts.run("fetch.sh", "false", **WORLD, VC_TASK_INDEX="1", FETCH_TIMEOUT="2", SECONDS="100000")
    assert done.says("rank 0 has not fetched quick://source in 2 seconds"), done.log
    assert time.monotonic() - start > 1
