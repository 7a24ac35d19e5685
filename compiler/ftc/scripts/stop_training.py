"""stop_training.py PID: signal the trainers that PID has started, and print their number."""

# The signal goes to the trainers only: torchrun kills its processes 30 seconds after it gets the signal (torch,
# distributed/elastic), and a data loader that gets it makes the trainer fail before it has saved.

from __future__ import annotations

import os
import signal
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

# torchrun sets the first for the processes that it starts, accelerate the second for a single process.
_MARKS = (b"TORCHELASTIC_RUN_ID=", b"ACCELERATE_USE_CPU=")


def _read(pid: int, name: str) -> bytes:
    """The content of a file in /proc/PID; empty if the process has ended."""
    try:
        return Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""


def _children() -> dict[int, list[int]]:
    found = defaultdict(list)
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        status = _read(pid, "stat").rpartition(b")")[2].split()  # the command's name may contain anything
        if status:
            found[int(status[1])].append(pid)
    return found


def _trainers(pid: int, children: dict[int, list[int]]) -> list[int]:
    """The topmost processes with a launcher's variable."""
    if any(variable.startswith(_MARKS) for variable in _read(pid, "environ").split(b"\0")):
        return [pid]
    return [found for child in children.get(pid, ()) for found in _trainers(child, children)]


def main(root: int) -> int:
    """Signal the trainers; without a launcher the process itself is the trainer."""
    children = _children()
    marked = _trainers(root, children)
    # A torchrun without marked children has not started its processes yet.
    waiting = [pid for pid in children.get(root, ()) if b"torchrun" in _read(pid, "cmdline")]
    trainers = marked or [root, *waiting]
    for pid in trainers:
        with suppress(ProcessLookupError):  # has ended in the meantime
            os.kill(pid, signal.SIGTERM)
    return len(trainers)


if __name__ == "__main__":
    sys.stdout.write(f"ftc: asked {main(int(sys.argv[1]))} processes to stop\n")
