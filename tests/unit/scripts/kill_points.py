"""Kills a bash script with all its processes before any one of its commands.

A trap that bash runs before each simple command counts them, in every bash of the run: in functions, subshells and
scripts that the script calls. A kill before a command is the kill after the one before. What happens inside of another
program is not a point: where that matters, a stand-in written in bash makes it one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Dots are appended, because two processes may count at once. `sleep` waits for the kill.
_COUNTER = """\
__kill_point() {
  local dots=
  printf . >>"$KILL_POINTS"
  read -r dots <"$KILL_POINTS" || :
  if ((${#dots} >= KILL_AT)); then
    printf '%s\\n' "$1" >"$KILL_POINTS.reached"
    sleep 100
  fi
}
set -T
trap '__kill_point "$BASH_COMMAND"' DEBUG
"""
_NEVER = 1_000_000
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Attempt:
    """How a run ended: `killed_before` is the command that it came to, none if it ended by itself with `status`."""

    status: int
    killed_before: str | None
    points: int
    log: str


def attempt(command: Sequence[str], environment: Mapping[str, str], scratch: Path, kill_at: int = _NEVER) -> Attempt:
    """Run a command, and kill it before its command of this number, which starts at 1."""
    points, reached, log = (scratch / name for name in ("points", "points.reached", "points.log"))
    for file in (points, reached, log):
        file.unlink(missing_ok=True)
    counter = scratch / "points.bash"
    counter.write_text(_COUNTER, encoding="utf-8")
    variables = {"BASH_ENV": str(counter), "KILL_POINTS": str(points), "KILL_AT": str(kill_at)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        end = time.monotonic() + _STOP_SECONDS
        while process.poll() is None and not reached.exists() and time.monotonic() < end:
            time.sleep(0.002)
        killed = process.poll() is None
        _kill_session(process.pid)
    status = process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    assert not killed or reached.exists(), f"the run took longer than {_STOP_SECONDS} seconds:\n{text}"
    count = points.stat().st_size if points.exists() else 0
    return Attempt(status, reached.read_text(encoding="utf-8").strip() if killed else None, count, text)


def _kill_session(session: int) -> None:
    """Kill all processes of a session, whatever their group, until there are none left."""
    while members := [pid for pid in _processes() if _session(pid) == session]:
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.002)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _session(pid: int) -> int:
    """The session of a process that runs; 0 for one that has ended."""
    try:
        state, _, _, session, *_ = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in "ZX" else int(session)
