"""elastic_worker.py TRAIN_YAML: a process of an elastic training, restarted whenever a node joins or leaves."""

# torchrun may stop the processes while they write a checkpoint, and the trainer would resume from the incomplete one.
# When a process starts, those of the previous world have ended.

from __future__ import annotations

import importlib
import os
import runpy
import time

check_checkpoints = importlib.import_module("check_checkpoints")  # next to this file, not in a package


def main() -> None:
    """Let the first process move incomplete checkpoints aside, wait for it, then train."""
    if os.environ["RANK"] == "0":
        check_checkpoints.settle()
    while not check_checkpoints.settled():
        time.sleep(1)
    runpy.run_module("llamafactory.launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
