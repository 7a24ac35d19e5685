"""Work in several processes: results in order, and no process left whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftc.cli import matrix
from ftc.cli.matrix import cores, in_processes
from ftc.output.write import only_writer
from unit.cli.test_matrix_interrupted import FTC, HIDDEN, contents

if TYPE_CHECKING:
    from pathlib import Path

PARTS = list(range(20))


def squared(part: int) -> tuple[int, int]:
    return part * part, os.getpid()


def no_child_is_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def test_results_come_in_the_order_of_the_parts_from_several_processes() -> None:
    with in_processes(squared, PARTS, 3) as results:
        found = list(results)
    assert [square for square, _ in found] == [part * part for part in PARTS]
    assert len({pid for _, pid in found} - {os.getpid()}) == 3
    assert no_child_is_left()


def test_what_a_part_raises_is_raised_in_its_turn() -> None:
    def work(part: int) -> int:
        if part >= 5:
            raise OSError(28, "No space left on device", f"file {part}")
        return part

    with in_processes(work, PARTS, 4) as results:
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(OSError, match="file 5"):
            next(results)
    assert no_child_is_left()


def test_a_killed_process_is_an_error_that_says_what_to_do() -> None:
    def work(part: int) -> int:
        if part == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    said = "was killed, maybe for lack of memory: give -j 1"
    with in_processes(work, PARTS, 2) as results, pytest.raises(ChildProcessError, match=said):
        list(results)
    assert no_child_is_left()


def test_leaving_early_ends_all_processes() -> None:
    with in_processes(time.sleep, [0, 600, 600], 3) as results:
        next(results)
    assert no_child_is_left()


@pytest.mark.parametrize(("quota", "most"), [("100000 100000\n", 1), ("50000 100000\n", 1), ("max 100000\n", 1024)])
def test_the_quota_of_a_container_limits_the_cores(
    quota: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(matrix, "_QUOTA", tmp_path / "cpu.max")
    assert 1 <= cores() <= most


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_matrix_ends_its_processes_and_leaves_whole_directories(sent: signal.Signals, tmp_path: Path) -> None:
    points = ("train.save_steps=range(1,151)",)
    command = [*FTC, "-m", *points, "-j", "3", "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while len(list((tmp_path / "out").glob("train*"))) < 20:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(sent)
        process.wait()
    with only_writer(tmp_path / "out"):  # every process holds the lock
        found = contents(tmp_path / "out")
    assert len(found) >= 20
    subprocess.run([*FTC, "-m", *points, "-j", "1", "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    whole = contents(tmp_path / "whole")
    assert all(files == whole[name] for name, files in found.items())
    if process.returncode:  # it has not finished before the signal
        assert not (tmp_path / "out" / "index.json").exists()
    if process.returncode and sent == signal.SIGINT:
        assert [one.name for one in (tmp_path / "out" / HIDDEN).iterdir()] == ["runs"]
    subprocess.run(command, check=True, capture_output=True)
    assert contents(tmp_path / "out") == whole
    assert not (tmp_path / "out" / HIDDEN).exists()
