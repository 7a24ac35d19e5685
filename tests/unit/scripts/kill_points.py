"""Kill a bash script with all its processes before any of its commands.

A trap that bash runs before each simple command counts them, in every bash of the run: in functions, subshells and
scripts that the script calls. A kill before a command is a kill after the previous one. Commands inside another
program are not points: if that matters, a stand-in written in bash makes them points.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Dots are appended, because two processes may count at the same time. The command waits to be killed or released.
_COUNTER = """\
__kill_point() {
  local dots=
  printf . >>"$KILL_POINTS"
  printf '%s\\n' "${0##*/}" >>"$KILL_POINTS.scripts"
  read -r dots <"$KILL_POINTS" || :
  if ((${#dots} < KILL_AT)) || [[ -e $KILL_POINTS.go ]]; then return; fi
  printf '%s\\n' "$BASHPID" "$1" >"$KILL_POINTS.$BASHPID"
  mv -n -- "$KILL_POINTS.$BASHPID" "$KILL_POINTS.reached"
  until [[ -e $KILL_POINTS.go ]]; do sleep 0.01; done
}
set -T
trap '__kill_point "$BASH_COMMAND"' DEBUG
"""
NEVER = 1_000_000
_STOP_SECONDS = 60
PATH = f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"
"""Python itself first: the commands of a version manager written in bash are not points of the scripts."""
Victim = Literal["all", "first", "one"]
"""All processes; only the one that was started, so that the others live on; only the one that came to the point."""


@dataclass(frozen=True)
class Attempt:
    """How a run ended: `killed_before` is the command at the kill, None if it ended by itself with `status`.

    `scripts` names the script of each point.
    """

    status: int
    killed_before: str | None
    scripts: tuple[str, ...]
    log: str
    session: int

    @property
    def points(self) -> int:
        """The number of commands that it reached."""
        return len(self.scripts)

    def wait_for_survivors(self) -> None:
        """Wait for the end of the processes that outlived the first."""
        _wait(lambda: not members(self.session), f"processes of {self.killed_before!r} live on")


def attempt(
    command: Sequence[str],
    environment: Mapping[str, str],
    scratch: Path,
    kill_at: int = NEVER,
    victim: Victim = "all",
) -> Attempt:
    """Run a command, and kill it before its command of this number, which starts at 1."""
    points, scripts, reached, go, log = (
        scratch / f"points{end}" for end in ("", ".scripts", ".reached", ".go", ".log")
    )
    for file in (points, scripts, reached, go, log):
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
        _wait(lambda: process.poll() is not None or reached.exists(), f"{command} does not end", process.pid)
    killed = None
    if reached.exists():
        pid, _, killed = reached.read_text(encoding="utf-8").partition("\n")
        if victim != "all":
            os.kill(process.pid if victim == "first" else int(pid), signal.SIGKILL)
            go.touch()
    if victim == "all":
        kill_session(process.pid)
    else:
        _wait(lambda: process.poll() is not None, f"{command} does not end", process.pid)
    status = process.wait()
    names = scripts.read_text(encoding="utf-8").splitlines() if scripts.exists() else []
    text = log.read_text(encoding="utf-8", errors="replace")
    return Attempt(status, killed.strip() if killed is not None else None, tuple(names), text, process.pid)


def _wait(happened: Callable[[], bool], message: str, session: int = 0) -> None:
    end = time.monotonic() + _STOP_SECONDS
    while not happened():
        if time.monotonic() > end:
            kill_session(session)
            raise AssertionError(f"{message} in {_STOP_SECONDS} seconds")
        time.sleep(0.002)


def kill_session(session: int) -> None:
    """Kill all processes of a session, in any process group, until no process is left."""
    while left := members(session):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.002)


def members(session: int) -> list[int]:
    """The running processes of a session."""
    return [pid for pid in _processes() if session and _session(pid) == session]


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _session(pid: int) -> int:
    """The session of a running process; 0 if it has ended."""
    try:
        state, _, _, session, *_ = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in "ZX" else int(session)
