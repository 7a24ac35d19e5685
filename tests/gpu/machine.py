"""The GPUs of this machine: their memory, and which of them a run has."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = ("nvidia-smi", "--query-gpu=index,memory.used", "--format=csv,noheader,nounits")


def count() -> int:
    """The number of GPUs."""
    done = subprocess.run(QUERY, capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


@contextmanager
def peaks() -> Iterator[dict[int, int]]:
    """The largest used memory of each GPU in MiB, as the driver counts it, from now on."""
    seen: dict[int, int] = {}
    with subprocess.Popen((*QUERY, "--loop-ms=200"), stdout=subprocess.PIPE, text=True) as process:
        thread = threading.Thread(target=_read, args=(process, seen))
        thread.start()
        try:
            yield seen
        finally:
            process.terminate()
            thread.join()


def _read(process: subprocess.Popen[str], seen: dict[int, int]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        index, used = map(int, line.split(","))
        seen[index] = max(used, seen.get(index, 0))
