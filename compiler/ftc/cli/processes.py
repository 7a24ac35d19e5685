"""Work on parts of a list in several processes, which end with the one that started them."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_P = TypeVar("_P")
_R = TypeVar("_R")
# The quota of a container, in microseconds per period: "200000 100000" are two cores.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """The number of cores that this process may use: a container often has fewer than its node."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        allowed = min(allowed, max(quota // period, 1))
    return allowed


class _Child(NamedTuple):
    """A process, and the pipe from which to read its results."""

    pid: int
    results: BinaryIO


@contextmanager
def in_processes(work: Callable[[_P], _R], parts: Sequence[_P], count: int) -> Iterator[Iterator[_R]]:
    """The results of all parts in order, each process taking every `count`th part; all have ended afterwards.

    An exception of a part is raised when its result is due. Raises ChildProcessError if a process is killed.
    """
    children: list[_Child] = []
    try:
        for number in range(count):
            children.append(_started(work, parts[number::count], children))
        yield (_result(children[index % count]) for index in range(len(parts)))
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        for child in children:
            child.results.close()
            with suppress(ChildProcessError):
                os.waitpid(child.pid, 0)


def _started(work: Callable[[_P], object], parts: Sequence[_P], others: Sequence[_Child]) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(pid, os.fdopen(reading, "rb"))
    try:
        # The parent decides about Ctrl-C. It alone may read a pipe, so that writing fails once it has been killed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for end in (reading, *(other.results.fileno() for other in others)):
            os.close(end)
        with os.fdopen(writing, "wb") as results:
            for part in parts:
                results.write(_done(work, part))
                results.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _done(work: Callable[[_P], object], part: _P) -> bytes:
    """The packed result of a part, or the exception that it raised, with its trace."""
    try:
        return pickle.dumps((work(part), None))
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        error.add_note(traceback.format_exc())
        return pickle.dumps((None, error))


def _result(child: _Child) -> Any:
    try:
        result, error = pickle.load(child.results)  # noqa: S301 - written by `_done`
    except (EOFError, pickle.UnpicklingError):
        text = f"process {child.pid} was killed, maybe for lack of memory: give -j 1"
        raise ChildProcessError(errno.ECHILD, text) from None
    if error is not None:
        raise error
    return result
