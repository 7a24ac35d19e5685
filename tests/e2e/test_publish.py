"""A result is pushed once, to its own branch, readable by anyone who clones it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.git_server import TOKEN, USER, GitServer, run
from e2e.pod_scripts import SINGLE, Ended, PodScripts, pod_scripts
from e2e.processes import arguments_with, files_with
from e2e.waiting import SOON

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

ENDED = 1767323045  # 2026-01-02 03:04:05, UTC


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """The output of a training."""
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
    """The publishing scripts after a training with a merge, and an empty repository to push to."""
    name = f"org/{tmp_path.name}"
    for step in ("train", "merge"):
        (result.parent / f"{step}.done").write_text("done", encoding="utf-8")
        os.utime(result.parent / f"{step}.done", (ENDED, ENDED))
    (tmp_path / "tmp").mkdir()
    environment = {
        "WORKSPACE": str(result.parent.parent),
        "JOB_NAME": "job-1",
        "NNODES": "1",
        "TMPDIR": str(tmp_path / "tmp"),
        "PUBLISH_URL": git_server.create(name),
        "PUBLISH_BRANCH_PREFIX": "run",
        "PUBLISH_MESSAGE": 'Qwen3: lora sft on identity\n\n$(id) `id` "quoted" é',
        "PUBLISH_AUTHOR_NAME": "Fine Tuner",
        "PUBLISH_AUTHOR_EMAIL": "tuner@example.com",
        "GIT_USER": USER,
        "GIT_TOKEN": TOKEN,
    }
    found = pod_scripts(tmp_path / "ftc", SINGLE, **environment)
    found.write("merge.yaml", "{}\n")
    return found


def publish(scripts: PodScripts, **environment: str) -> Ended:
    """Push the result."""
    return scripts.run(*uploader(scripts), **environment)


def uploader(scripts: PodScripts) -> tuple[str, str, str]:
    """The command that publishes with git."""
    return ("publish.sh", "bash", str(scripts.root / "publish_git.sh"))


def test_a_fresh_clone_has_every_file_and_no_checkpoint(
    scripts: PodScripts, git_server: GitServer, result: Path, tmp_path: Path
) -> None:
    done = publish(scripts)
    assert done.status == 0, done.log
    ((branch, commit),) = git_server.branches(f"org/{tmp_path.name}").items()
    assert branch == f"run-20260102-030405-{hashlib.sha256(b'job-1').hexdigest()[:8]}"
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
    assert publish(scripts).status == 0
    bare = str(git_server.bare(f"org/{tmp_path.name}"))
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    by_lfs = {
        name
        for name in ("model.safetensors", "training_args.bin", "tokenizer.json", "config.json")
        if run(["git", "-C", bare, "show", f"{branch}:{name}"]).startswith("version https://git-lfs")
    }
    assert by_lfs == {"model.safetensors", "training_args.bin", "tokenizer.json"}
    assert sorted(file.name for file in result.parent.iterdir()) == ["merge.done", "merged", "train.done"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (
        run(["git", "-C", str(git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "c")), "status", "-s"]) == ""
    )


def test_the_commit_says_what_was_trained_and_by_whom(
    scripts: PodScripts, git_server: GitServer, tmp_path: Path
) -> None:
    assert publish(scripts).status == 0
    bare = str(git_server.bare(f"org/{tmp_path.name}"))
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    said = run(["git", "-C", bare, "log", "-1", "--format=%an <%ae>%n%B", branch])
    assert said.strip() == f"Fine Tuner <tuner@example.com>\n{scripts.environment['PUBLISH_MESSAGE']}"


CARD = "pipeline_tag: text-generation\nlibrary_name: transformers\nbase_model: 'a: \"b\" # $(id) é'\n"


@pytest.mark.parametrize("page", [None, "# Ours\n\n---\n"])
def test_a_result_without_front_matter_gets_it_with_the_digest_of_the_run(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path, page: str | None
) -> None:
    if page is not None:
        (result / "README.md").write_text(page, encoding="utf-8")
    for _ in range(2):  # the second attempt finds the same commit
        done = publish(scripts, PUBLISH_CARD=CARD)
        assert done.status == 0, done.log
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    clone = git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "clone")
    readme = (clone / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\n")
    _, front, rest = readme.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "base_model": 'a: "b" # $(id) é',
        "ftc_run": f"20260102-030405-{hashlib.sha256(b'job-1').hexdigest()[:8]}",
    }
    assert rest.strip() == page.strip() if page else "LLaMA-Factory" in rest
    assert (result / "README.md").exists() == (page is not None)


def test_the_page_has_the_numbers_of_the_evaluation_unless_they_are_behind_a_link(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    found = '{"rows": 50, "bleu-4": 61.2, "rouge-1": 70.04, "rouge-2": 55.5, "rouge-l": 68.91}'
    (tmp_path / "elsewhere.json").write_text(found, encoding="utf-8")
    place = result.parent / "evaluation.json"
    pages = []
    for number in range(2):
        place.unlink(missing_ok=True)
        if number:
            place.symlink_to(tmp_path / "elsewhere.json")
        else:
            place.write_text(found, encoding="utf-8")
        os.utime(result.parent / "merge.done", (1767323045 + number, 1767323045 + number))
        assert publish(scripts, PUBLISH_CARD=CARD).status == 0
        branch = max(git_server.branches(f"org/{tmp_path.name}"))
        clone = git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / f"clone-{number}")
        pages.append((clone / "README.md").read_text(encoding="utf-8"))
    assert ["| ROUGE-L | 68.91 |" in page for page in pages] == [True, False]


def test_what_the_front_matter_of_the_result_says_is_kept(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    (result / "README.md").write_text("---\nlibrary_name: peft\nlicense: mit\n---\n# Ours\n", encoding="utf-8")
    for _ in range(2):
        assert publish(scripts, PUBLISH_CARD=CARD).status == 0
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    readme = (git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "clone") / "README.md").read_text("utf-8")
    _, front, rest = readme.split("---\n", 2)
    found = yaml.safe_load(front)
    assert (found["library_name"], found["license"], found["pipeline_tag"]) == ("peft", "mit", "text-generation")
    assert rest == "# Ours\n"


def test_a_push_that_fails_once_then_succeeds_makes_one_branch(
    scripts: PodScripts, git_server: GitServer, tmp_path: Path
) -> None:
    hook = git_server.bare(f"org/{tmp_path.name}") / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    failed = publish(scripts)
    assert failed.status == 1
    assert failed.says("cannot push branch run-")
    hook.unlink()
    time.sleep(1.1)
    assert publish(scripts).status == 0
    assert len(git_server.branches(f"org/{tmp_path.name}")) == 1


def test_a_push_that_went_through_but_was_not_noted_is_repeated_without_harm(
    scripts: PodScripts, git_server: GitServer, tmp_path: Path
) -> None:
    assert publish(scripts).status == 0
    before = git_server.branches(f"org/{tmp_path.name}")
    time.sleep(1.1)
    again = publish(scripts)
    assert again.status == 0, again.log
    assert git_server.branches(f"org/{tmp_path.name}") == before


def test_a_refused_token_ends_in_seconds_before_anything_is_hashed(scripts: PodScripts) -> None:
    start = time.monotonic()
    done = publish(scripts, GIT_TOKEN="wrong")  # noqa: S106 - it must not be printed
    assert done.status == 1
    assert time.monotonic() - start < SOON
    assert done.says("the server rejects the user name or the token")
    assert done.says("are the address and the token in the Secret right?")


def test_the_token_is_in_no_file_no_log_and_no_process_list_while_it_pushes(
    scripts: PodScripts, tmp_path: Path
) -> None:
    running = scripts.start(*uploader(scripts), GIT_TRACE="1", GIT_CURL_VERBOSE="1")
    seen: set[str] = set()
    while running.runs():
        seen |= arguments_with(TOKEN) | files_with(TOKEN, tmp_path / "tmp")
    done = running.end()
    assert done.status == 0, done.log
    assert TOKEN not in done.log
    assert seen == set()
    assert files_with(TOKEN, tmp_path) == set()


ODD = ("[a]*.dat", "a[1].dat", "back\\slash.dat", "#hash", "!bang", " blanks at ends ", 'quo"te', "new\nline", "ta\tb")


def test_odd_names_are_published_whole_and_large_ones_alone_by_lfs(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    names = [os.fsencode(name) for name in ODD] + ["模型.dat".encode(), b"not-utf-8-\xff.dat"]
    large = [name for name in names if b"\n" not in name]
    inner = os.fsencode(result) + b"/in [x]"
    os.mkdir(inner)  # noqa: PTH102 - the names are bytes
    for place in (os.fsencode(result), inner):
        for number, name in enumerate(names if place != inner else large):
            with open(place + b"/" + name, "wb") as file:  # noqa: PTH123 - the names are bytes
                file.write(bytes([number]) * (11_000_000 if place == inner else 5))
    for decoy in ("1", "a", "x"):  # the pattern `[1]` would match it
        (result / f"a{decoy}.dat").write_bytes(b"small")
    done = publish(scripts)
    assert done.status == 0, done.log
    (branch,) = git_server.branches(f"org/{tmp_path.name}")
    clone = git_server.clone(f"org/{tmp_path.name}", branch, tmp_path / "clone")
    assert run(["git", "-C", str(clone), "status", "-s"]) == ""
    for directory, size in ((b"", 5), (b"/in [x]", 11_000_000)):
        for number, name in enumerate(names if size == 5 else large):
            with open(os.fsencode(clone) + directory + b"/" + name, "rb") as pushed:  # noqa: PTH123
                assert pushed.read() == bytes([number]) * size, name
    objects = [file for file in (clone / ".git" / "lfs" / "objects").rglob("*") if file.is_file()]
    assert len(objects) == len(large) + 3
    for decoy in ("1", "a", "x"):
        assert "unspecified" in run(["git", "-C", str(clone), "check-attr", "filter", "--", f"a{decoy}.dat"])


def test_a_large_file_whose_name_git_lfs_cannot_read_is_refused(scripts: PodScripts, result: Path) -> None:
    (result / "new\nline.safetensors").write_bytes(b"weights")
    done = publish(scripts)
    assert done.status == 1
    assert done.says("does not support newlines in names")


@pytest.mark.parametrize("name", [".gitattributes", "runs/.gitattributes", ".lfsconfig", ".gitmodules"])
def test_a_file_that_would_configure_git_is_refused(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path, name: str
) -> None:
    (result / name).write_text("* filter=lfs\n", encoding="utf-8")
    done = publish(scripts)
    assert done.status == 1
    assert done.says(f"{name!r} of the result would configure git")
    assert git_server.branches(f"org/{tmp_path.name}") == {}


@pytest.mark.parametrize("place", ["merged/link", "merged/runs/link", "merged/model.safetensors", "merged", "."])
def test_a_link_in_the_result_is_refused(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path, place: str
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "secret").write_text("secret", encoding="utf-8")
    link = result.parent / place
    if link.is_dir():
        link.rename(tmp_path / "moved")
        other = tmp_path / "moved"
    else:
        link.unlink(missing_ok=True)
    link.symlink_to(other)
    done = publish(scripts)
    assert done.status == 1
    assert "link" in done.log
    assert git_server.branches(f"org/{tmp_path.name}") == {}


def test_a_pipe_in_the_result_is_refused_and_not_waited_for(scripts: PodScripts, result: Path) -> None:
    os.mkfifo(result / "pipe")
    done = publish(scripts)
    assert done.status == 1
    assert done.says("'pipe' of the result is a link or not a file")


def test_two_runs_that_end_in_the_same_second_get_two_branches(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    other = result.parent.with_name("job-2")
    shutil.copytree(result.parent, other)
    for marker in other.glob("*.done"):
        os.utime(marker, (ENDED, ENDED))
    assert publish(scripts).status == 0
    assert publish(scripts, JOB_NAME="job-2").status == 0
    assert len(git_server.branches(f"org/{tmp_path.name}")) == 2


def test_no_configuration_and_no_hook_but_its_own_is_used(
    scripts: PodScripts, git_server: GitServer, tmp_path: Path
) -> None:
    home, hooks = tmp_path / "home", tmp_path / "hooks"
    home.mkdir()
    hooks.mkdir()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n", encoding="utf-8")
    (hooks / "pre-push").chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\nhooksPath = {hooks}\n[init]\ntemplateDir = {hooks}\n", encoding="utf-8")
    (home / "sitecustomize.py").write_text(f"open('{tmp_path}/ran', 'w')\n", encoding="utf-8")
    assert publish(scripts, HOME=str(home), PYTHONPATH=str(home)).status == 0
    assert not (tmp_path / "ran").exists()
    assert len(git_server.branches(f"org/{tmp_path.name}")) == 1


def test_the_workspace_may_be_given_from_where_a_script_runs(
    scripts: PodScripts, result: Path, git_server: GitServer, tmp_path: Path
) -> None:
    command = ["env", "-C", str(result.parent), "WORKSPACE=..", "bash", *uploader(scripts)]
    command[5] = str(scripts.root / "publish.sh")
    done = subprocess.run(command, env={**os.environ, **scripts.environment}, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(git_server.branches(f"org/{tmp_path.name}")) == 1
