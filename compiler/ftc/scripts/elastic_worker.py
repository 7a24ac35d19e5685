"""elastic_worker.py TRAIN_YAML: one process of an elastic training, started anew whenever a node comes or goes."""

# torchrun stops the processes at any moment, also while they write a checkpoint, and the trainer would resume from what
# they have left. When a process is started, those of the world before have ended.

from __future__ import annotations

import os
import runpy
import shutil
import sys
import time
from pathlib import Path


def unfinished() -> list[Path]:
    """The checkpoints without their state, which is written last."""
    directories = [place for place in Path("output").glob("checkpoint-*") if place.is_dir()]
    return [place for place in directories if not (place / "trainer_state.json").exists()]


def main() -> None:
    """Have the first process remove them, wait until they are gone, and train."""
    while left := unfinished():
        if os.environ["RANK"] != "0":
            time.sleep(1)
            continue
        for checkpoint in left:
            sys.stdout.write(f"ftc: removing {checkpoint}, which was not finished\n")
            shutil.rmtree(checkpoint)
    runpy.run_module("llamafactory.launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
