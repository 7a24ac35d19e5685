"""A matrix that is killed or fills the disk leaves only complete directories."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftc.output.write import only_writer

if TYPE_CHECKING:
    from pathlib import Path

# A few moments on each change; more in `make test-all`.
KILLS = pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
# A number of combinations, of which the kills meet the writing: as many as a test can afford, or as are asked for.
POINTS = int(os.environ.get("FTC_MATRIX_POINTS", "150"))
FTC = (sys.executable, "-m", "ftc.cli.main", "compile")
HIDDEN = ".ftc-unfinished"


def matrix(root: Path, steps: int) -> list[str]:
    """A matrix in which every run differs from those with other steps."""
    sweep = ("launcher=llamafactory-cli,torchrun", f"train.save_steps=range(1,{POINTS // 2 + 1})")
    return [*FTC, "-m", *sweep, f"train.logging_steps={steps}", "-o", str(root)]


def contents(root: Path) -> dict[str, dict[str, bytes]]:
    """The files of each directory that a reader sees."""
    seen = [one for one in root.iterdir() if one.is_dir() and one.name != HIDDEN]
    return {one.name: {file.name: file.read_bytes() for file in one.iterdir()} for one in seen}


def killed(command: list[str], written: Path, after: float) -> None:
    """Run until something is written, kill the process some time after that, and wait for the processes it started."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not written.exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    with only_writer(written.parent):
        pass


@KILLS
def test_a_matrix_killed_at_any_moment_leaves_whole_directories(tmp_path: Path, kills: int) -> None:
    whole = {}
    for steps in (5, 7):
        began = time.monotonic()
        subprocess.run(matrix(tmp_path / f"whole-{steps}", steps), check=True, capture_output=True)
        took = time.monotonic() - began
        whole[steps] = contents(tmp_path / f"whole-{steps}")
        assert len(whole[steps]) == POINTS // 2 * 2 + 1  # the manifests
    root, chance = tmp_path / "root", random.Random(8)  # noqa: S311 - moments, not secrets
    for kill in range(kills):
        killed(matrix(root, 5 + 2 * (kill % 2)), root / HIDDEN, chance.uniform(0, took))
        for name, files in contents(root).items():
            assert files in (whole[5][name], whole[7][name]), (kill, name)
    subprocess.run(matrix(root, 5), check=True, capture_output=True)
    assert contents(root) == whole[5]
    assert {one.name for one in root.iterdir()} == {*whole[5], "index.json"}


def test_the_next_matrix_removes_the_leftovers_of_a_killed_one(tmp_path: Path) -> None:
    with subprocess.Popen(matrix(tmp_path, 5), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(tmp_path.iterdir())) < 4:
            time.sleep(0.005)
        process.kill()
    with only_writer(tmp_path):
        left = set(contents(tmp_path))
    assert left
    assert not (tmp_path / "index.json").exists()
    (tmp_path / "mine").mkdir()
    smaller = [*FTC, "-m", "nodes=1,2", "-o", str(tmp_path)]
    done = subprocess.run(smaller, check=True, capture_output=True, text=True)
    assert {one.name for one in tmp_path.iterdir()} == {"nodes=1", "nodes=2", "manifests", "index.json", "mine"}
    assert f"ftc: removed {len(left)} runs of the previous compile\n" in done.stderr


def test_a_single_compile_in_the_same_directory_is_kept(tmp_path: Path) -> None:
    subprocess.run([*FTC, "-o", str(tmp_path / "alone")], check=True, capture_output=True)
    for _ in range(2):
        subprocess.run([*FTC, "-m", "nodes=1,2", "-o", str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / "alone" / "spec.yaml").exists()


# Mount a small file system that only this process sees, fill it except for some space, and copy the result.
SMALL_DISK = """
set -e
mount -t tmpfs -o size=4m tmpfs "$1" || exit 77
head -c $(( 4096 * 1024 - $2 * 1024 )) /dev/zero > "$1/ballast"
code=0
"${@:4}" || code=$?
rm "$1/ballast"
cp -a "$1/." "$3"
exit $code
"""


def on_a_small_disk(tmp_path: Path, left_kib: int, *command: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run with so much space left on the file system of `disk`; `copy` holds the result."""
    for name in ("disk", "copy"):
        (tmp_path / name).mkdir()
    places = (str(tmp_path / "disk"), str(left_kib), str(tmp_path / "copy"))
    unshare = ("unshare", "--user", "--map-root-user", "--mount", "bash", "-c", SMALL_DISK, "bash", *places)
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    done = subprocess.run([*unshare, *command], capture_output=True, text=True, check=False)
    if "unshare:" in done.stderr or done.returncode == 77:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    return done, tmp_path / "copy"


def test_a_full_disk_is_one_line_and_leaves_whole_directories(tmp_path: Path) -> None:
    out = tmp_path / "disk" / "out"
    done, copy = on_a_small_disk(tmp_path, 200, *matrix(out, 5))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ftc: cannot write to {out}: No space left on device")
    subprocess.run(matrix(tmp_path / "whole", 5), check=True, capture_output=True)
    whole = contents(tmp_path / "whole")
    found = contents(copy / "out")
    assert found
    assert all(files == whole[name] for name, files in found.items())
    assert {str(one.relative_to(copy / "out")) for one in (copy / "out").rglob("*")} == {
        *(f"{name}/{file}" for name, files in found.items() for file in files),
        *found,
        HIDDEN,
        f"{HIDDEN}/runs",
    }


@pytest.mark.parametrize("left_kib", [0, 4, 16])
def test_one_run_on_a_full_disk_is_one_line_and_no_file(tmp_path: Path, left_kib: int) -> None:
    out = tmp_path / "disk" / "out"
    done, copy = on_a_small_disk(tmp_path, left_kib, *FTC, "-o", str(out))
    assert done.returncode == 1
    assert done.stderr == f"ftc: cannot write to {out}: No space left on device\n"
    assert [file for file in copy.rglob("*") if file.is_file()] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110 - a device
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        done = subprocess.run(FTC, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "ftc: No space left on device\n")
