"""`ftc clean` lists a workspace and removes what is named, and nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from unit.compiling import ftc

if TYPE_CHECKING:
    from pathlib import Path

OLD = time.time() - 3 * 86400


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two runs, a source in the cache, one next to the runs, and directories of the user."""
    root = tmp_path / "workspace"
    for name in ("run-a", "run-b"):
        (root / name / "output").mkdir(parents=True)
        (root / name / "output" / "model.safetensors").write_bytes(b"x" * 100_000)
        (root / name / "train.done").write_text("done", encoding="utf-8")
        (root / name / "spec.yaml").write_text("{method: {stage: sft}}\n", encoding="utf-8")
    for place in (root / "cache" / "qwen-1f0e", root / "alpaca-77aa"):
        (place / "files").mkdir(parents=True)
        (place / "files" / "data.json").write_text("{}", encoding="utf-8")
        (place / ".ftc-revision").write_text("1\nrequested: \nsource: a\n", encoding="utf-8")
    (root / "notes").mkdir()
    (root / "notes" / "keep.txt").write_text("mine", encoding="utf-8")
    aged(root)
    return root


def aged(root: Path) -> None:
    """Make all files three days old."""
    for file in (root, *root.rglob("*")):
        os.utime(file, (OLD, OLD), follow_symlinks=False)


def names(workspace: Path) -> dict[str, str]:
    """The kind of each entry."""
    found = json.loads(ftc("clean", str(workspace), "--json").stdout)
    return {one["name"]: one["kind"] for one in found}


def test_runs_and_sources_are_listed_with_size_and_age(workspace: Path) -> None:
    kinds = {"run-a": "run", "run-b": "run", "cache/qwen-1f0e": "source", "alpaca-77aa": "source"}
    assert names(workspace) == kinds
    lines = ftc("clean", str(workspace)).stdout.splitlines()
    assert all("  3d  " in line for line in lines)
    sizes = {one["name"]: one["size"] for one in json.loads(ftc("clean", str(workspace), "--json").stdout)}
    assert sizes["run-a"] >= 100_000


def test_nothing_is_removed_without_yes(workspace: Path) -> None:
    said = ftc("clean", str(workspace), "run-a")
    assert (said.exit_code, said.stderr) == (0, "ftc: nothing is removed without --yes\n")
    assert (workspace / "run-a").exists()
    assert ftc("clean", str(workspace), "--yes").exit_code == 2


def test_only_what_is_named_is_removed(workspace: Path) -> None:
    said = ftc("clean", str(workspace), "run-a", "cache/qwen-1f0e", "--yes")
    assert said.exit_code == 0, said.stderr
    assert names(workspace) == {"run-b": "run", "alpaca-77aa": "source"}
    assert (workspace / "notes" / "keep.txt").exists()
    assert list((workspace / "cache").iterdir()) == []


@pytest.mark.parametrize("name", ["notes", "run", "../workspace/run-a", "run-a/output", "", ".", "cache"])
def test_another_directory_is_refused_and_nothing_is_removed(workspace: Path, name: str) -> None:
    said = ftc("clean", str(workspace), "run-b", name, "--yes")
    assert said.exit_code == 1
    assert "is neither a run nor a source" in said.stderr
    assert (workspace / "run-b").exists()


def test_a_locked_run_and_the_sources_stay(workspace: Path) -> None:
    (workspace / "run-a" / "run.lock").touch()
    aged(workspace)
    with (workspace / "run-a" / "run.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for name in ("run-a", "alpaca-77aa"):
            said = ftc("clean", str(workspace), name, "--yes")
            assert said.exit_code == 1
            assert "is in use" in said.stderr
        assert ftc("clean", str(workspace), "run-b", "--yes").exit_code == 0
    assert ftc("clean", str(workspace), "run-a", "--yes").exit_code == 0


def test_a_run_that_changed_in_the_last_hour_stays(workspace: Path) -> None:
    (workspace / "run-a" / "output" / "trainer_log.jsonl").touch()
    said = ftc("clean", str(workspace), "run-a", "--yes")
    assert said.exit_code == 1
    assert "run-a is in use: it changed 0 minutes ago" in said.stderr


def test_links_are_not_followed(workspace: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "output").mkdir(parents=True)
    (outside / "output" / "kept").touch()
    (workspace / "linked").symlink_to(outside)
    (workspace / "run-a" / "output" / "elsewhere").symlink_to(outside)
    aged(workspace)
    assert "linked" not in names(workspace)
    assert ftc("clean", str(workspace), "linked", "--yes").exit_code == 1
    assert ftc("clean", str(workspace), "run-a", "--yes").exit_code == 0
    assert (outside / "output" / "kept").exists()


@pytest.mark.parametrize(
    "spec",
    [
        "{model: {source: {kind: run, run: run-b}}}",
        '{model: {source: {kind: run, run: "run-b"}}}',
        "{model: {source: {kind: path, path: /workspace/run-b/merged}}}",
        "model:\n  source:\n    run: run-b\n",
        None,
    ],
)
def test_a_run_that_a_run_in_use_reads_or_may_read_stays(workspace: Path, spec: str | None) -> None:
    file = workspace / "run-a" / "spec.yaml"
    file.unlink()
    if spec:
        file.write_text(spec, encoding="utf-8")
    aged(workspace)
    (workspace / "run-a" / "output" / "trainer_log.jsonl").touch()
    said = ftc("clean", str(workspace), "run-b", "--yes")
    assert said.exit_code == 1
    assert "run-b is in use: the run run-a" in said.stderr
    assert (workspace / "run-b").exists()
    aged(workspace)
    assert ftc("clean", str(workspace), "run-b", "--yes").exit_code == 0


@pytest.mark.parametrize("spec", ["{run: run-b-2}", "{path: /workspace/my-run-b/merged}", "{method: {stage: run-b}}"])
def test_a_run_with_another_name_does_not_stay(workspace: Path, spec: str) -> None:
    (workspace / "run-a" / "spec.yaml").write_text(spec, encoding="utf-8")
    assert ftc("clean", str(workspace), "run-b", "--yes").exit_code == 0


def test_the_files_of_a_script_have_the_spec_of_a_run_that_starts(workspace: Path) -> None:
    (workspace / "dpo" / "files").mkdir(parents=True)
    (workspace / "dpo" / "files" / "spec.yaml").write_text("{run: run-b}", encoding="utf-8")
    (workspace / "dpo" / "run.lock").touch()
    assert ftc("clean", str(workspace), "run-b", "--yes").exit_code == 1
    assert ftc("clean", str(workspace), "run-a", "--yes").exit_code == 0


def test_a_directory_with_output_is_not_a_run_but_its_training_may_read_the_rest(workspace: Path) -> None:
    (workspace / "mine" / "output").mkdir(parents=True)
    assert "mine" not in names(workspace)
    assert ftc("clean", str(workspace), "mine", "--yes").exit_code == 1
    for name in ("run-b", "alpaca-77aa"):
        assert "the run mine may read it" in ftc("clean", str(workspace), name, "--yes").stderr


@pytest.mark.parametrize("file", ["train.done", "run.lock", "spec.yaml", "files/train.yaml", "datasets-cache/a"])
def test_each_file_of_ftc_makes_a_run(workspace: Path, file: str) -> None:
    (workspace / "new" / file).parent.mkdir(parents=True)
    (workspace / "new" / file).touch()
    assert names(workspace)["new"] == "run"


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_was_removed_is_said_before_the_path_that_cannot_be(workspace: Path, form: str) -> None:
    taken = workspace / "run-b.ftc-tmp.removed"
    taken.write_text("mine", encoding="utf-8")
    said = ftc("clean", str(workspace), "run-a", "run-b", "alpaca-77aa", "--yes", "--format", form)
    assert said.exit_code == 1
    assert "run-a" in said.stdout
    assert "run-b" not in said.stdout
    assert f"cannot remove run-b: {taken}: Not a directory; remove or rename that path" in said.stderr
    assert (workspace / "run-b" / "train.done").exists()
    assert not (workspace / "run-a").exists()


def as_other_user(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ftc as a user who is not root, from whom no directory is hidden."""
    command = ["setpriv", "--reuid", "65534", "--clear-groups", sys.executable, "-m", "ftc.cli.main", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become another user")
def test_a_directory_of_root_such_as_lost_and_found_is_left_out(workspace: Path) -> None:
    (workspace / "lost+found").mkdir(mode=0o700)
    for place in (*workspace.parents, workspace):
        if place.stat().st_uid == 0 and str(place).startswith("/tmp/"):  # noqa: S108 - pytest's own
            place.chmod(0o755)
    said = as_other_user("clean", str(workspace), "--json")
    assert said.returncode == 0, said.stderr
    assert {one["name"] for one in json.loads(said.stdout)} == {"run-a", "run-b", "cache/qwen-1f0e", "alpaca-77aa"}


def test_a_run_with_very_deep_directories_stays_whole(workspace: Path) -> None:
    start = os.open(workspace / "run-a", os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=start)
            deeper = os.open("d", os.O_RDONLY, dir_fd=start)
            os.close(start)
            start = deeper
    finally:
        os.close(start)
    aged_root = (workspace / "run-a", *(workspace / "run-a" / "output").rglob("*"))
    for file in aged_root:
        os.utime(file, (OLD, OLD))
    assert "run-a" in names(workspace)
    said = ftc("clean", str(workspace), "run-a", "--yes")
    assert said.exit_code == 1
    assert "run-a is in use: it has more than 400 directories inside each other: remove it with rm" in said.stderr
    assert (workspace / "run-a" / "train.done").exists()
    subprocess.run(["rm", "-rf", "--", str(workspace / "run-a")], check=True)  # pytest cannot


def test_a_run_in_which_another_volume_is_mounted_stays(workspace: Path, tmp_path: Path) -> None:
    inner = workspace / "run-a" / "output" / "a b"
    inner.mkdir()
    aged(workspace)
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs").touch()
    aged(other)
    ftc_ = f"{sys.executable} -m ftc.cli.main clean '{workspace}' run-a --yes"
    script = f"mount --bind '{other}' '{inner}' || exit 99; {ftc_}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if said.returncode == 99 or "unshare" in said.stderr:
        pytest.skip("this machine has no mount namespaces")
    assert said.returncode == 1
    assert "run-a is in use: another volume is mounted in it" in said.stderr
    assert (other / "theirs").exists()
    assert (workspace / "run-a" / "train.done").exists()
