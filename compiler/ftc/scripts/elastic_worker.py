"""elastic_worker.py TRAIN_YAML: one process of an elastic training, started again whenever a node comes or goes."""

# torchrun stops the processes at any moment, also while they write a checkpoint, and the trainer would resume from what
# they have left. When a process is started, those of the world before have ended.

from __future__ import annotations

import importlib
import os
import runpy
import time

check_checkpoints = importlib.import_module("check_checkpoints")  # lies next to this file, in no package


def main() -> None:
    """Have the first process set aside what is incomplete, wait until that is done, and train."""
    if os.environ["RANK"] == "0":
        check_checkpoints.settle()
    while not check_checkpoints.settled():
        time.sleep(1)
    runpy.run_module("llamafactory.launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
