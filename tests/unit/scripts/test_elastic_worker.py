"""The processes of an elastic training start after the first one has checked the checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftc.resources import directory
from unit.scripts.checkpoints import KINDS, write

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHER = "import os\nprint(os.environ['RANK'], sorted(os.listdir('output')), flush=True)\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a run whose last checkpoint is incomplete, and a stand-in for the trainer."""
    (tmp_path / "site" / "llamafactory").mkdir(parents=True)
    (tmp_path / "site" / "llamafactory" / "launcher.py").write_text(LAUNCHER, encoding="utf-8")
    write(tmp_path / "run" / "output" / "checkpoint-10", KINDS["lora"])
    write(tmp_path / "run" / "output" / "checkpoint-20", KINDS["lora"] | {"optimizer.pt": b"PK"})
    return tmp_path / "run"


def start(run: Path, rank: int) -> subprocess.Popen[str]:
    """Start one process as torchrun does."""
    environment = {**os.environ, "RANK": str(rank), "PYTHONPATH": str(run.parent / "site")}
    script = directory("scripts") / "elastic_worker.py"
    return subprocess.Popen(
        [sys.executable, script, "train.yaml"], cwd=run, env=environment, stdout=subprocess.PIPE, text=True
    )


def test_all_processes_wait_for_the_first_one_which_sets_aside_what_is_incomplete(run: Path) -> None:
    waiting = start(run, 1)
    time.sleep(1)
    assert waiting.poll() is None
    assert (run / "output" / "checkpoint-20").exists()
    first = start(run, 0)
    said = [process.communicate(timeout=300)[0] for process in (first, waiting)]
    assert said[0].startswith("ftc: output/checkpoint-20 is incomplete: optimizer.pt is cut short")
    assert [lines.splitlines()[-1] for lines in said] == ["0 ['checkpoint-10']", "1 ['checkpoint-10']"]
