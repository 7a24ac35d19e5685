"""The copy of the model in memory is complete when the training starts; otherwise the log has the reason."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from e2e.instead import instead
from e2e.pod_scripts import Ended, PodScripts, pod_scripts
from e2e.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    return pod_scripts(tmp_path / "ftc", {})


def stage(scripts: PodScripts, source: Path, target: Path, *command: str) -> Ended:
    return scripts.run("stage.sh", *command, STAGE_FROM=str(source), STAGE_TO=str(target))


def test_the_command_finds_the_copy_whole(scripts: PodScripts, tmp_path: Path, model_files: Path) -> None:
    (model_files / "link.safetensors").symlink_to(model_files / "config.json")
    copy = tmp_path / "memory" / "a model"
    done = stage(scripts, model_files, copy, "diff", "-r", str(model_files), str(copy))
    assert (done.status, done.says(f"from {model_files} to {copy}")) == (0, True), done.log
    assert not (copy / "link.safetensors").is_symlink()


def test_the_status_and_the_arguments_are_the_commands(scripts: PodScripts, tmp_path: Path, model_files: Path) -> None:
    done = stage(scripts, model_files, tmp_path / "copy", "bash", "-c", 'echo "[$1]"; exit 7', "-", "a 'b\" $c")
    assert (done.status, "[a 'b\" $c]" in done.log) == (7, True)


def test_a_container_that_is_restarted_keeps_its_copy(scripts: PodScripts, tmp_path: Path, model_files: Path) -> None:
    assert stage(scripts, model_files, tmp_path / "copy", "true").status == 0
    again = stage(scripts, tmp_path / "gone", tmp_path / "copy", "true")
    assert (again.status, again.log) == (0, "")


@pytest.mark.parametrize("device", ["tmpfs", "//server/a share", "10.0.0.1:/export 2/a 3"])
def test_a_model_that_is_larger_than_the_memory_says_so(
    scripts: PodScripts, tmp_path: Path, model_files: Path, device: str
) -> None:
    (model_files / "weights.bin").write_bytes(b"x" * (8 << 20))
    table = f"Filesystem 1048576-blocks Used Available Capacity Mounted on\n{device} 8 7 1 88% /dev/shm"
    path = instead(tmp_path, "df", f"echo '{table}'")
    done = scripts.run("stage.sh", "true", STAGE_FROM=str(model_files), STAGE_TO=str(tmp_path / "copy"), PATH=path)
    assert done.status == 1
    assert done.says("has 1 MiB free: raise storage.model_in_memory_gib")
    assert not (tmp_path / "copy").exists()


def test_a_share_with_a_blank_in_its_name_has_the_room_that_it_has(
    scripts: PodScripts, tmp_path: Path, model_files: Path
) -> None:
    table = "Filesystem 1048576-blocks Used Available Capacity Mounted on\n//server/a share 9 1 8000 1% /mnt/a disk"
    path = instead(tmp_path, "df", f"echo '{table}'")
    done = scripts.run("stage.sh", "true", STAGE_FROM=str(model_files), STAGE_TO=str(tmp_path / "copy"), PATH=path)
    assert done.status == 0, done.log


def test_a_source_that_is_not_there_ends_the_run(scripts: PodScripts, tmp_path: Path) -> None:
    assert stage(scripts, tmp_path / "nowhere", tmp_path / "copy", "true").status != 0


def test_a_signal_ends_the_copy(scripts: PodScripts, tmp_path: Path, model_files: Path) -> None:
    path = instead(tmp_path, "cp", f"touch {tmp_path}/copying; exec sleep 60")
    names = {"STAGE_FROM": str(model_files), "STAGE_TO": str(tmp_path / "copy"), "PATH": path}
    started = scripts.start("stage.sh", "echo", "trained", **names)
    wait_until((tmp_path / "copying").exists)
    started.process.send_signal(signal.SIGTERM)
    done = started.end(10)
    assert (done.status, "trained" in done.log) == (143, False)
