"""A result is pushed once, to a branch of its own, readable by anyone who clones it."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer, run
from e2e.pod_scripts import Ended, PodScripts, pod_scripts
from e2e.processes import arguments_with, files_with

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """What a training has left."""
    made = tmp_path / "workspace" / "job-1" / "merged"
    (made / "checkpoint-5").mkdir(parents=True)
    (made / "checkpoint-5" / "optimizer.pt").write_bytes(b"not to be pushed")
    (made / "model.safetensors").write_bytes(os.urandom(3_000_000))
    (made / "training_args.bin").write_bytes(os.urandom(100))
    (made / "tokenizer.json").write_text("0" * 11_000_000, encoding="utf-8")
    (made / "config.json").write_text("{}\n", encoding="utf-8")
    (made / "runs").mkdir()
    (made / "runs" / "with a blank é.txt").write_text("text", encoding="utf-8")
    return made


@pytest.fixture
def scripts(tmp_path: Path, git_server: GitServer, result: Path) -> PodScripts:
    """The publishing script, with an empty repository of its own to push to."""
    name = f"org/{tmp_path.name}"
    environment = {
        "RUN_DIR": str(result.parent),
        "PUBLISH_URL": git_server.create(name),
        "PUBLISH_BRANCH_PREFIX": "run",
        "PUBLISH_MESSAGE": 'Qwen3: lora sft on identity\n\n$(id) `id` "quoted" é',
        "PUBLISH_AUTHOR_NAME": "Fine Tuner",
        "PUBLISH_AUTHOR_EMAIL": "tuner@example.com",
        "GIT_USER": USER,
        "GIT_TOKEN": TOKEN,
    }
    return pod_scripts(tmp_path / "ftc", {"publish.sh": "publish_git.sh"}, **environment)


def publish(scripts: PodScripts, result: Path, **environment: str) -> Ended:
    """Push the result."""
    return scripts.run("publish.sh", str(result), **environment)


def test_a_fresh_clone_has_every_file_and_no_checkpoint(
    scripts: PodScripts, git_server: GitServer, result: Path, tmp_path: Path
) -> None:
    done = publish(scripts, result)
    assert done.status == 0, done.log
    ((branch, commit),) = git_server.branches(f"org/{tmp_path.name}").items()
    assert re.fullmatch(r"run-\d{8}-\d{6}", branch)
    assert done.says(f"pushed commit {commit} to branch {branch}")
    clone = git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "clone")
    names = {"model.safetensors", "training_args.bin", "tokenizer.json", "config.json", "runs/with a blank é.txt"}
    pushed = {str(file.relative_to(clone)) for file in clone.rglob("*") if file.is_file()}
    assert {name for name in pushed if not name.startswith(".git")} == names
    for name in names:
        assert (clone / name).read_bytes() == (result / name).read_bytes()


def test_weights_and_large_files_go_by_lfs_and_take_no_second_space(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    assert publish(scripts, result).status == 0
    bare = str(git_server.bare(f"org/{tmp_path.name}"))
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    by_lfs = {
        name
        for name in ("model.safetensors", "training_args.bin", "tokenizer.json", "config.json")
        if run(["git", "-C", bare, "show", f"{branch}:{name}"]).startswith("version https://git-lfs")
    }
    assert by_lfs == {"model.safetensors", "training_args.bin", "tokenizer.json"}
    assert sorted(file.name for file in result.parent.iterdir()) == ["merged", "publish.branch"]
    assert (
        run(["git", "-C", str(git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "c")), "status", "-s"]) == ""
    )


def test_the_commit_says_what_was_trained_and_by_whom(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    assert publish(scripts, result).status == 0
    bare = str(git_server.bare(f"org/{tmp_path.name}"))
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    said = run(["git", "-C", bare, "log", "-1", "--format=%an <%ae>%n%B", branch])
    assert said.strip() == f"Fine Tuner <tuner@example.com>\n{scripts.environment['PUBLISH_MESSAGE']}"


def test_a_push_that_fails_once_then_succeeds_makes_one_branch(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    hook = git_server.bare(f"org/{tmp_path.name}") / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    failed = publish(scripts, result)
    assert failed.status == 1
    assert failed.says("cannot push branch run-")
    hook.unlink()
    time.sleep(1.1)
    assert publish(scripts, result).status == 0
    assert len(git_server.branches(f"org/{tmp_path.name}")) == 1


def test_a_push_that_went_through_but_was_not_noted_is_repeated_without_harm(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    assert publish(scripts, result).status == 0
    before = git_server.branches(f"org/{tmp_path.name}")
    time.sleep(1.1)
    again = publish(scripts, result)
    assert again.status == 0, again.log
    assert git_server.branches(f"org/{tmp_path.name}") == before


def test_a_refused_token_ends_in_seconds_before_anything_is_hashed(scripts: PodScripts, result: Path) -> None:
    start = time.monotonic()
    done = publish(scripts, result, GIT_TOKEN="wrong")  # noqa: S106 - the point of it
    assert done.status == 1
    assert time.monotonic() - start < 10
    assert done.says("the server refuses the user name or the token")
    assert done.says("are the address and the token in the Secret right?")


def test_the_token_is_in_no_file_no_log_and_no_process_list_while_it_pushes(
    scripts: PodScripts, result: Path, tmp_path: Path
) -> None:
    running = scripts.start("publish.sh", str(result), GIT_TRACE="1", GIT_CURL_VERBOSE="1")
    seen: set[str] = set()
    while running.runs():
        seen |= arguments_with(TOKEN) | files_with(TOKEN, result.parent / "publish.git")
    done = running.end()
    assert done.status == 0, done.log
    assert TOKEN not in done.log
    assert seen == set()
    assert files_with(TOKEN, tmp_path) == set()
