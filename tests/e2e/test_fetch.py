"""Sources are fetched into the cache completely, once, or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer
from e2e.pod_scripts import VOLCANO, PodScripts, pod_scripts
from e2e.processes import arguments_with, files_with
from e2e.waiting import SOON, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# Downloads slowly enough to be met half-way: a file at once, another one when the file `go` appears.
SLOW = """
echo part >"$DOWNLOAD_DIR/first"
until [ -e "$GO" ]; do sleep 0.1; done
echo rest >"$DOWNLOAD_DIR/second"
echo slow-revision >"$REVISION_FILE"
"""


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    """The scripts of a pod that fetches something into a cache shared by one node."""
    made = pod_scripts(
        tmp_path / "ftc",
        VOLCANO,
        SOURCE="slow://source",
        TARGET_DIR=str(tmp_path / "cache" / "source-1f0c2a9e"),
        NNODES="1",
        SHARED_CACHE="true",
        FETCH_TIMEOUT="600",
        GO=str(tmp_path / "go"),
    )
    made.write("slow.sh", SLOW)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The directory of the source."""
    return tmp_path / "cache" / "source-1f0c2a9e"


def go(scripts: PodScripts) -> None:
    """Let slow downloads finish."""
    (scripts.root.parent / "go").touch()


def cached(target: Path) -> list[str]:
    """The entries of the cache except the target; empty if all is well."""
    return sorted(entry.name for entry in target.parent.iterdir() if entry != target)


def test_a_model_arrives_with_its_lfs_files_and_without_a_repository(
    scripts: PodScripts, git_server: GitServer, model_files: Path, target: Path
) -> None:
    url = git_server.create("org/arrives")
    commit = git_server.push("org/arrives", model_files)
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, GIT_USER=USER, GIT_TOKEN=TOKEN)
    assert done.status == 0, done.log
    for file in model_files.rglob("*.*"):
        assert (target / "files" / file.relative_to(model_files)).read_bytes() == file.read_bytes()
    assert sorted(entry.name for entry in target.iterdir()) == [".ftc-revision", "files"]
    assert not (target / "files" / ".git").exists()
    assert (target / ".ftc-revision").read_text().splitlines()[0] == commit
    assert done.says(commit)
    assert cached(target) == []
    assert {place.stat().st_mode & 0o777 for place in (target, target / "files")} == {0o755}


@pytest.mark.parametrize("kind", ["branch", "tag", "commit", "short commit"])
def test_a_revision_is_a_branch_a_tag_or_a_commit(
    scripts: PodScripts, git_server: GitServer, model_files: Path, target: Path, kind: str
) -> None:
    name = f"org/revision-{kind.replace(' ', '-')}"
    url = git_server.create(name)
    first = git_server.push(name, model_files)
    bare = git_server.bare(name)
    os.system(f"git -C {bare} tag -m v1 v1 {first} && git -C {bare} branch side {first}")  # noqa: S605
    (model_files / "config.json").write_text("changed", encoding="utf-8")
    git_server.push(name, model_files)
    revision = {"branch": "side", "tag": "v1", "commit": first, "short commit": first[:10]}[kind]
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, REVISION=revision, **login)
    assert done.status == 0, done.log
    assert (target / "files" / "config.json").read_text() == '{"model_type": "none"}'
    assert (target / ".ftc-revision").read_text().splitlines()[0] == first


def test_a_second_run_downloads_nothing(scripts: PodScripts, git_server: GitServer, model_files: Path) -> None:
    url = git_server.create("org/second")
    git_server.push("org/second", model_files)
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
    assert scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, **login).status == 0
    shutil.rmtree(git_server.bare("org/second"))
    again = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, **login)
    assert again.status == 0, again.log
    assert again.says("found in the cache")


def test_two_jobs_that_fill_one_cache_at_once_both_go_on_and_one_download_stays(
    scripts: PodScripts, target: Path
) -> None:
    both = [scripts.start("fetch.sh", "bash", "slow.sh") for _ in range(2)]
    wait_until(lambda: target.parent.exists() and len(list(target.parent.glob("*/files/first"))) == 2)
    go(scripts)
    ends = [one.end() for one in both]
    assert [end.status for end in ends] == [0, 0], ends
    assert sum(end.says("another job has fetched") for end in ends) == 1
    assert (target / "files" / "second").exists()
    assert cached(target) == []


def test_a_fill_that_was_killed_half_way_is_done_again(scripts: PodScripts, target: Path) -> None:
    killed = scripts.start("fetch.sh", "bash", "slow.sh", FETCH_TIMEOUT="3")
    wait_until(lambda: list(target.parent.glob("*/files/first")))
    killed.process.send_signal(signal.SIGKILL)
    assert killed.end().status == -signal.SIGKILL
    assert not target.exists()
    go(scripts)
    done = scripts.run("fetch.sh", "bash", "slow.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "second").exists()


def test_a_stopped_fetch_leaves_nothing(scripts: PodScripts, target: Path) -> None:
    stopped = scripts.start("fetch.sh", "bash", "slow.sh")
    wait_until(lambda: list(target.parent.glob("*/files/first")))
    stopped.process.terminate()
    assert stopped.end().status == 143
    assert list(target.parent.iterdir()) == []


def test_what_killed_downloads_left_goes_after_a_day(scripts: PodScripts, target: Path) -> None:
    old, young = (target.parent / f"other-00000000.ftc-tmp.{name}" for name in ("oldold", "young1"))
    foreign = target.parent / "somebody.tmp.abcdef"
    for made in (old, young, foreign):
        made.mkdir(parents=True)
    for made in (old, foreign):
        os.utime(made, (time.time() - 90_000, time.time() - 90_000))
    go(scripts)
    done = scripts.run("fetch.sh", "bash", "slow.sh")
    assert done.status == 0, done.log
    assert done.says(str(old))
    assert cached(target) == [young.name, foreign.name]


def test_other_ranks_wait_for_rank_0_and_download_nothing(scripts: PodScripts, target: Path) -> None:
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job"}
    waiting = scripts.start("fetch.sh", "false", VC_TASK_INDEX="1", **world)
    time.sleep(1)
    assert waiting.runs()
    go(scripts)
    assert scripts.run("fetch.sh", "bash", "slow.sh", VC_TASK_INDEX="0", **world).status == 0
    done = waiting.end()
    assert done.status == 0, done.log
    assert done.says("waiting for rank 0")
    assert cached(target) == []


def test_other_ranks_give_up_when_rank_0_does_not_come(scripts: PodScripts) -> None:
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job", "VC_TASK_INDEX": "1"}
    done = scripts.run("fetch.sh", "false", FETCH_TIMEOUT="2", **world)
    assert done.status == 1
    assert done.says("rank 0 has not fetched slow://source in 2 seconds")


def test_every_pod_fills_the_cache_of_its_node(scripts: PodScripts, target: Path) -> None:
    go(scripts)
    world = {"NNODES": "2", "VC_WORKER_HOSTS": "job-worker-0.job,job-worker-1.job", "VC_TASK_INDEX": "1"}
    done = scripts.run("fetch.sh", "bash", "slow.sh", SHARED_CACHE="false", **world)
    assert done.status == 0, done.log
    assert (target / "files" / "second").exists()


def test_a_directory_of_unknown_origin_in_the_way_steps_aside(scripts: PodScripts, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "half-copied").write_text("by hand", encoding="utf-8")
    go(scripts)
    done = scripts.run("fetch.sh", "bash", "slow.sh")
    assert done.status == 0, done.log
    assert (target / "files" / "second").exists()
    assert sorted(entry.name for entry in target.iterdir()) == [".ftc-revision", "files"]
    (aside,) = target.parent.glob("*.ftc-tmp.*/leftover")
    assert (aside / "half-copied").read_text() == "by hand"
    assert done.says(str(aside))


def test_a_download_that_takes_too_long_ends(scripts: PodScripts, target: Path) -> None:
    done = scripts.run("fetch.sh", "bash", "slow.sh", FETCH_TIMEOUT="1")
    assert done.status == 1
    assert done.says("took longer than 1 seconds")
    assert list(target.parent.iterdir()) == []


def test_a_wrong_password_ends_in_seconds(
    scripts: PodScripts, git_server: GitServer, model_files: Path, target: Path
) -> None:
    url = git_server.create("org/refused")
    git_server.push("org/refused", model_files)
    start = time.monotonic()
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, GIT_USER=USER, GIT_TOKEN="wrong")  # noqa: S106
    assert done.status == 1
    assert done.says("are the address, the revision and the token in the Secret right?")
    assert time.monotonic() - start < SOON
    assert list(target.parent.iterdir()) == []


def test_a_password_that_expires_before_the_lfs_files_ends_in_seconds(
    scripts: PodScripts, git_server: GitServer, model_files: Path
) -> None:
    url = git_server.create("org/expires")
    git_server.push("org/expires", model_files)
    # The files are fetched with the right token, the LFS objects with a wrong one.
    scripts.write("expire.sh", 'git() { command git "$@" || return; [ "$1" != fetch ] || GIT_TOKEN=expired; }\n')
    start = time.monotonic()
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN, "BASH_ENV": str(scripts.root / "expire.sh")}
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, **login)
    assert done.status == 1
    assert done.says("cannot fetch the LFS objects"), done.log
    assert time.monotonic() - start < SOON


def test_the_token_is_in_no_file_no_log_and_no_process_list(
    scripts: PodScripts, git_server: GitServer, model_files: Path, tmp_path: Path
) -> None:
    url = git_server.create("org/secret")
    git_server.push("org/secret", model_files)
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN, "GIT_TRACE": "1", "GIT_CURL_VERBOSE": "1"}
    running = scripts.start("fetch.sh", "bash", "download_git.sh", SOURCE=url, **login)
    seen: set[str] = set()
    while running.runs():
        seen |= arguments_with(TOKEN) | files_with(TOKEN, tmp_path / "cache")
    done = running.end()
    assert done.status == 0, done.log
    assert TOKEN not in done.log
    assert seen == set()
    assert files_with(TOKEN, tmp_path) == set()


def test_a_token_is_not_given_to_another_server_that_a_repository_names(
    scripts: PodScripts, git_server: GitServer, model_files: Path
) -> None:
    url = git_server.create("org/elsewhere")
    elsewhere = f"http://localhost:{git_server.http}/org/elsewhere.git/info/lfs"
    (model_files / ".lfsconfig").write_text(f'[lfs]\n\turl = "{elsewhere}"\n', encoding="utf-8")
    git_server.push("org/elsewhere", model_files)
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, GIT_USER=USER, GIT_TOKEN=TOKEN)
    assert done.status == 1
    assert done.says("cannot fetch the LFS objects"), done.log


@pytest.mark.parametrize("trust", ["none", "bundle", "off"])
def test_tls_is_verified_unless_it_is_switched_off_with_a_warning(
    scripts: PodScripts, git_server: GitServer, model_files: Path, trust: str
) -> None:
    name = f"org/tls-{trust}"
    git_server.create(name)
    git_server.push(name, model_files)
    settings = {
        "none": {"GIT_SSL_CAINFO": "/etc/ssl/certs/ca-certificates.crt"},
        "bundle": {"GIT_SSL_CAINFO": str(git_server.ca_bundle)},
        "off": {"TLS_VERIFY": "false"},
    }[trust]
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
    done = scripts.run(
        "fetch.sh", "bash", "download_git.sh", SOURCE=git_server.url(name, tls=True), **login, **settings
    )
    assert (done.status == 0) == (trust != "none"), done.log
    assert ("certificate" in done.log) == (trust != "bundle")
    assert done.says("warning: TLS certificates are not verified") == (trust == "off")


def test_an_lfs_pointer_that_was_not_fetched_is_an_error(scripts: PodScripts, target: Path) -> None:
    scripts.write(
        "pointer.sh", 'printf "%s\\n" "version https://git-lfs.github.com/spec/v1" >"$DOWNLOAD_DIR/weights.bin"\n'
    )
    done = scripts.run("fetch.sh", "bash", "pointer.sh")
    assert done.status == 1
    assert done.says("weights.bin is a git-lfs pointer")
    assert not target.exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("identity_alauda", ""),
        ("identity_alauda,other", "has no dataset 'other'; it has: identity_alauda"),
        ("lost", "in"),
    ],
)
def test_a_dataset_that_is_not_listed_is_an_error_in_seconds(
    scripts: PodScripts, git_server: GitServer, dataset_files: Path, asked: str, message: str
) -> None:
    name = f"org/dataset-{asked.replace(',', '-')}"
    url = git_server.create(name)
    if asked == "lost":
        (dataset_files / "dataset_info.json").write_text('{"lost": {"file_name": "lost.jsonl"}}', encoding="utf-8")
        message = "lost.jsonl, which does not exist"
    git_server.push(name, dataset_files)
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, EXPECT_DATASETS=asked, **login)
    assert (done.status, done.says("error:")) == ((1, True) if message else (0, False)), done.log
    assert not message or done.says(message)


def test_a_dataset_without_dataset_info_is_an_error(
    scripts: PodScripts, git_server: GitServer, dataset_files: Path
) -> None:
    url = git_server.create("org/no-info")
    (dataset_files / "dataset_info.json").unlink()
    git_server.push("org/no-info", dataset_files)
    login = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
    done = scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, EXPECT_DATASETS="identity_alauda", **login)
    assert done.status == 1
    assert done.says("dataset_info.json is missing")


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    scripts: PodScripts, git_server: GitServer, model_files: Path, target: Path
) -> None:
    url = git_server.create("org/full")
    git_server.push("org/full", model_files)
    target.parent.mkdir()
    start = time.monotonic()
    small = ["bwrap", "--dev-bind", "/", "/", "--size", "200000", "--tmpfs", str(target.parent), "--", "bash", "-c"]
    call = f"bash {scripts.root}/fetch.sh bash {scripts.root}/download_git.sh"
    fetch = f"{call}; status=$?; echo left: $(ls -A {target.parent}); exit $status"
    environment = {
        **scripts.environment,
        "SOURCE": url,
        "GIT_USER": USER,
        "GIT_TOKEN": TOKEN,
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run([*small, fetch], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert time.monotonic() - start < SOON
    assert done.stdout.splitlines()[-1] == "left:"
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("ftc: error: ")]
    assert said.startswith("ftc: error: cannot fetch the LFS objects of")
    assert "no space left" in done.stderr.lower()
