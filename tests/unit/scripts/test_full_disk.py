"""On a full disk every step fails with one clear line and no marker; with free space, a restart succeeds.

The free space decides which write fails first, so the tests try every number. Some runs are also killed.
too.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ftc.resources import directory
from unit.scripts.kill_points import NEVER, attempt
from unit.scripts.small_disk import SmallDisk, small_disk
from unit.scripts.test_kill_fetch import Volume
from unit.scripts.test_kill_train import Run

if TYPE_CHECKING:
    from pathlib import Path

FILL = {"pages": SmallDisk.leave, "files": SmallDisk.leave_files}


def said(log: str) -> list[str]:
    """The error lines of ftc."""
    return [line for line in log.splitlines() if line.startswith("ftc: error: ")]


@pytest.mark.parametrize("kill_every", [NEVER, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("full", "most"), [("pages", 6), ("files", 12)])
def test_a_fetch_to_a_full_disk_marks_nothing_and_ends_well_when_space_is_free(
    tmp_path: Path, full: str, most: int, kill_every: int
) -> None:
    ends = []
    for left in range(most):
        for kill_at in range(kill_every, 160, kill_every) if kill_every < NEVER else [NEVER]:
            root = tmp_path / f"{left}-{kill_at}"
            with small_disk(root / "volume") as disk:
                volume = Volume(root)
                FILL[full](disk, left)
                volume.others = volume.files_of_others()
                done = volume.attempt(kill_at, "all")
                volume.check_what_is_marked()
                ends.append(done.status)
                if done.killed_before is None:
                    assert (done.status, len(said(done.log))) in ((1, 1), (0, 0)), done.log
                    assert volume.is_marked() == (done.status == 0)
                disk.free()
                volume.others = volume.files_of_others()
                volume.check_end(volume.start())
            shutil.rmtree(root)
    assert {0, 1} <= set(ends) or kill_every < NEVER


@pytest.mark.parametrize("kill_every", [NEVER, pytest.param(70, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("full", "most", "step"), [("pages", 30, 3), ("files", 36, 4)])
def test_a_training_on_a_full_disk_marks_nothing_that_is_not_done_and_goes_on_when_space_is_free(
    tmp_path: Path, full: str, most: int, step: int, kill_every: int
) -> None:
    ends = []
    for left in range(0, most, step if kill_every == NEVER else 10):
        for kill_at in range(kill_every, 260, kill_every) if kill_every < NEVER else [NEVER]:
            root = tmp_path / f"{left}-{kill_at}"
            with small_disk(root / "workspace") as disk:
                run = Run(root)
                del run.environment["MIN_FREE_MIB"]
                FILL[full](disk, left)
                ended = run.attempt(kill_at)
                ends.append(ended.status)
                if ended.killed_before is None and ended.status != 0:
                    assert len(said(ended.log)) == 1, f"{left} {full} left\n{ended.log}"
                first = run.calls()
                done = {name for name in ("train", "merge") if run.is_done(name)}
                assert "train" not in done or "trained" in first
                disk.free()
                last = run.last()
                restarted = run.attempt()
                assert restarted.status == 0, f"{left} {full} left\n{ended.log}\n{restarted.log}"
                calls = run.calls()
                assert ("train" in done) == ("trained" not in calls), ended.log
                assert ("merge" in done) == ("export" not in calls), ended.log
                assert "train" in done or calls[0] == f"train from {last}"
                assert run.holds_the_same("output", "adapter_model.safetensors")
                assert run.holds_the_same("merged", "model.safetensors", "config.json")
            shutil.rmtree(root)
    assert {0, 1} <= set(ends) or kill_every < NEVER


MODEL_KIB, MEMORY_PAGES = 3000, 1000


def stage(root: Path, kill_at: int = NEVER) -> tuple[int, str, int]:
    """Copy a model into memory that fits it once; returns the status, the log and the number of points."""
    environment = {
        "PATH": os.environ["PATH"],
        "STAGE_FROM": str(root / "model"),
        "STAGE_TO": str(root / "shm/ftc/copy"),
    }
    command = ["bash", str(directory("scripts") / "stage.sh"), "diff", "-r", str(root / "model"), "shm/ftc/copy"]
    command[-1] = str(root / command[-1])
    done = attempt(command, environment, root, kill_at)
    return done.status, done.log, done.points


# A cp that can be killed in the middle.
SLOW_CP = """#!/bin/bash
mkdir "${@: -1}"
head -c 2500000 "$STAGE_FROM/weights" >"${@: -1}/weights"
/bin/cp "$STAGE_FROM/weights" "${@: -1}/weights"
"""


def test_a_copy_in_memory_that_was_killed_at_any_point_leaves_room_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "cp").write_text(SLOW_CP, encoding="utf-8")
    (tools / "cp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    points = NEVER
    number = 0
    while number < points:
        number += 1
        root = tmp_path / str(number)
        (root / "model").mkdir(parents=True)
        (root / "model" / "weights").write_bytes(b"w" * (MODEL_KIB << 10))
        with small_disk(root / "shm", MEMORY_PAGES):
            status, log, _ = stage(root, number)
            if status == 0:
                break
            status, log, _ = stage(root)
            assert status == 0, f"killed before command {number}\n{log}"
        shutil.rmtree(root)
    assert number > 20


def test_a_copy_that_finds_no_room_says_so_and_fits_when_there_is(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"w" * (MODEL_KIB << 10))
    for left in (0, 1, 400, 740):
        root = tmp_path
        with small_disk(root / f"shm{left}", MEMORY_PAGES) as disk:
            (root / "shm").unlink(missing_ok=True)
            (root / "shm").symlink_to(disk.place)
            disk.leave(left)
            status, log, _ = stage(root)
            assert status == 1
            assert len(said(log)) == 1, log
            assert not (disk.place / "ftc" / "copy").exists()
            disk.free()
            status, log, _ = stage(root)
            assert status == 0, log
