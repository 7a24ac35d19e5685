"""stop_training.py PID: asks the trainers that PID has started to stop, and prints how many there are."""

# Only them: torchrun would kill its processes 30 seconds after it gets the signal itself (torch, distributed/elastic),
# and a data loader that gets it ends the trainer with an error before the trainer has saved.

from __future__ import annotations

import os
import signal
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

# torchrun sets the first for the processes that it starts, accelerate the second for a single one.
_MARKS = (b"TORCHELASTIC_RUN_ID=", b"ACCELERATE_USE_CPU=")


def _read(pid: int, name: str) -> bytes:
    """A file of a process; nothing if the process has ended."""
    try:
        return Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""


def _children() -> dict[int, list[int]]:
    found = defaultdict(list)
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        status = _read(pid, "stat").rpartition(b")")[2].split()  # the command's name may hold anything
        if status:
            found[int(status[1])].append(pid)
    return found


def _trainers(pid: int, children: dict[int, list[int]]) -> list[int]:
    """The topmost processes that a launcher has marked."""
    if any(variable.startswith(_MARKS) for variable in _read(pid, "environ").split(b"\0")):
        return [pid]
    return [found for child in children.get(pid, ()) for found in _trainers(child, children)]


def main(root: int) -> int:
    """Signal them; without a launcher the process itself is the trainer."""
    children = _children()
    marked = _trainers(root, children)
    waiting = [pid for pid in children.get(root, ()) if b"torchrun" in _read(pid, "cmdline")]  # has started none yet
    trainers = marked or [root, *waiting]
    for pid in trainers:
        with suppress(ProcessLookupError):  # ended meanwhile
            os.kill(pid, signal.SIGTERM)
    return len(trainers)


if __name__ == "__main__":
    sys.stdout.write(f"ftc: asked {main(int(sys.argv[1]))} processes to stop\n")
