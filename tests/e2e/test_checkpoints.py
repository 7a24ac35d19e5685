"""Checkpoints of the real libraries are complete, and incomplete if a file is truncated."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftc.resources import directory

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.trainer_environment import Trainer

pytestmark = pytest.mark.e2e

JUDGED = (".json", ".safetensors", ".bin", ".pt", ".pth", ".distcp", ".metadata")


def last(run: Path) -> str:
    """The last complete checkpoint as the script prints it."""
    command = [sys.executable, str(directory("scripts") / "check_checkpoints.py"), "last"]
    done = subprocess.run(command, cwd=run, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_the_libraries_write_is_complete_and_what_was_cut_is_not(each_trainer: Trainer, tmp_path: Path) -> None:
    kinds = each_trainer.ask("write_checkpoints", str(tmp_path / "made"))
    assert len(kinds) == 5
    for kind in kinds:
        checkpoint = tmp_path / kind / "output" / "checkpoint-10"
        shutil.copytree(tmp_path / "made" / kind, checkpoint)
        assert last(tmp_path / kind) == "output/checkpoint-10", kind
        judged = [file for file in checkpoint.rglob("*") if file.is_file() and file.name.endswith(JUDGED)]
        assert len(judged) > 5
        for file in judged:
            whole = file.read_bytes()
            for left in (0, len(whole) // 2, len(whole) - 1):
                file.write_bytes(whole[:left])
                # The last byte of a JSON file ends its line.
                assert (last(tmp_path / kind) == "") or (file.suffix == ".json" and left == len(whole) - 1), file
            file.write_bytes(whole)
        assert last(tmp_path / kind) == "output/checkpoint-10", kind
