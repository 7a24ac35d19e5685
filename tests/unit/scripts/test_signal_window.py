"""A signal that comes after a program has started, but before its process ID is known, ends the program too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.instead import instead
from e2e.waiting import SOON
from ftc.resources import directory
from unit.compiling import COMMAND, ftc
from unit.scripts.kill_points import kill_session, members

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = directory("scripts")
# bash runs this before each simple command. The signal comes once, to the first script that has started a program.
SIGNAL = """\
__send() {
  if [[ $1 == 'child=$!'* && $$ == "$BASHPID" && ! -e $SENT ]]; then
    : >"$SENT"
    kill -TERM $$
  fi
}
set -T
trap '__send "$BASH_COMMAND"' DEBUG
"""
UPLOADER = ("bash", "-c", "exec sleep 600")  # it ignores the arguments that publish.sh adds


def pod(root: Path, **environment: str) -> dict[str, str]:
    """The environment of a pod of a finished training with its scripts in a directory."""
    (root / "ftc").mkdir()
    for source in [*SCRIPTS.glob("*.sh"), *SCRIPTS.glob("*_*.py")]:
        shutil.copyfile(source, root / "ftc" / source.name)
    shutil.copyfile(SCRIPTS / "rendezvous_single.sh", root / "ftc" / "rendezvous.sh")
    (root / "ftc" / "launch.sh").write_text("exec sleep 600\n", encoding="utf-8")
    (root / "workspace" / "run").mkdir(parents=True)
    (root / "signal.bash").write_text(SIGNAL, encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "BASH_ENV": str(root / "signal.bash"),
        "SENT": str(root / "sent"),
        "WORKSPACE": str(root / "workspace"),
        "JOB_NAME": "run",
        "NNODES": "1",
        "NPROC_PER_NODE": "1",
        "MASTER_PORT": "29500",
        **environment,
    }


def ends_with_all_its_programs(root: Path, *command: str, **environment: str) -> str:
    """Run a script, which gets the signal; returns its log."""
    log = root / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            process.wait(SOON)
            left = members(process.pid)
        finally:
            kill_session(process.pid)
    text = log.read_text(encoding="utf-8")
    assert (root / "sent").exists(), text
    assert (process.returncode, left) == (143, []), text
    return text


def script(root: Path, name: str) -> str:
    return str(root / "ftc" / name)


def test_only_one_script_starts_programs_in_the_background() -> None:
    starts = re.compile(r"(?<!&)&$|(?<!&)& ", re.MULTILINE)
    assert [file.name for file in sorted(SCRIPTS.glob("*.sh")) if starts.search(file.read_text())] == ["child.sh"]


def test_fetch(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "model-1"
    variables = {"SOURCE": "quick://source", "TARGET_DIR": str(target), "SHARED_CACHE": "false", "FETCH_TIMEOUT": "600"}
    ends_with_all_its_programs(
        tmp_path, "bash", script(tmp_path, "fetch.sh"), "sleep", "600", **pod(tmp_path, **variables)
    )
    assert list(target.parent.iterdir()) == []


def test_check_adapter(tmp_path: Path) -> None:
    variables = pod(tmp_path, ADAPTER_CONFIG=str(tmp_path / "adapter_config.json"))
    ends_with_all_its_programs(tmp_path, "bash", script(tmp_path, "check_adapter.sh"), "sleep", "600", **variables)


def test_stage(tmp_path: Path) -> None:
    names = {"STAGE_FROM": str(tmp_path), "STAGE_TO": str(tmp_path / "copy")}
    variables = pod(tmp_path, **names, PATH=instead(tmp_path, "cp", "exec sleep 600"))
    log = ends_with_all_its_programs(tmp_path, "bash", script(tmp_path, "stage.sh"), "echo", "trained", **variables)
    assert log == ""


@pytest.mark.parametrize("waits", [True, False], ids=["wait", "upload"])
def test_publish(tmp_path: Path, *, waits: bool) -> None:
    variables = pod(tmp_path)
    if waits:
        (tmp_path / "started").touch()
        variables |= {"LOCK_DIR": str(tmp_path), "PATH": instead(tmp_path, "flock", "exec sleep 600")}
    (tmp_path / "workspace" / "run" / "train.done").write_text("done", encoding="utf-8")
    log = ends_with_all_its_programs(tmp_path, "bash", script(tmp_path, "publish.sh"), *UPLOADER, **variables)
    assert "error" not in log


def test_train(tmp_path: Path) -> None:
    log = ends_with_all_its_programs(tmp_path, "bash", script(tmp_path, "train.sh"), **pod(tmp_path))
    assert "ftc: error: train: stopped by a signal; a restart of the job continues from here\n" in log


def test_the_local_script(tmp_path: Path) -> None:
    said = ftc("compile", "-t", "script", *COMMAND[:1], "launcher.command=[sleep,'600']", "storage.min_free_gib=0")
    (tmp_path / "run.sh").write_text(said.stdout, encoding="utf-8")
    ends_with_all_its_programs(tmp_path, "bash", str(tmp_path / "run.sh"), **pod(tmp_path))
