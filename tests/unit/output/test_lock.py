"""Several processes write one directory one after the other, or not at all."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftc.output import write
from ftc.output.write import only_writer
from unit.compiling import artifacts, ftc

if TYPE_CHECKING:
    from pathlib import Path

FTC = (sys.executable, "-m", "ftc.cli.main")


@pytest.mark.parametrize(
    "command",
    [
        ("compile", "-o", "{}"),
        ("compile", "-m", "nodes=1,2", "-o", "{}"),
        ("golden", "update", "--dir", "{}"),
    ],
)
def test_a_second_writer_is_refused_in_one_line_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(write, "_SECONDS", 0.0)
    out = tmp_path / "out"
    (out / "one").mkdir(parents=True)
    (out / "one" / "case.yaml").write_text("why: A test.\n")
    with only_writer(out):
        said = ftc(*(word.format(out) for word in command))
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == f"ftc: cannot write to {out}: another ftc is writing there\n"
    assert [str(one.relative_to(out)) for one in out.rglob("*")] == ["one", "one/case.yaml"]


def test_a_second_writer_waits_for_a_short_one(tmp_path: Path) -> None:
    with only_writer(tmp_path):
        second = subprocess.Popen([*FTC, "compile", "-o", str(tmp_path)], stderr=subprocess.PIPE)
        time.sleep(2)
        assert second.poll() is None
        assert list(tmp_path.iterdir()) == []
    second.communicate()
    assert second.returncode == 0
    assert (tmp_path / "volcano.yaml").exists()


def test_many_writers_leave_the_files_of_one_of_them(tmp_path: Path) -> None:
    targets = ("volcano", "job", "llamafactory") * 3
    commands = [[*FTC, "compile", "-o", str(tmp_path), "-t", target] for target in targets]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    assert [(one.communicate(), one.returncode)[1] for one in running] == [0] * len(targets)
    names = {file.name for file in tmp_path.iterdir()}
    carried = {*artifacts()} - {"volcano.yaml"}
    assert names - carried in ({"volcano.yaml"}, {"job.yaml"}, set())


def test_the_lock_leaves_no_file_behind(tmp_path: Path) -> None:
    with only_writer(tmp_path):
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
