"""Allow one writer in a directory at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A compile writes for milliseconds; only a matrix or a large golden/ takes longer than this.
_SECONDS = 10.0
_PAUSE = 0.05
# Errors of a file system that cannot lock a directory, such as NFS. The writes are renames there as well.
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Create the directory if it is missing, and hold its lock; raises OSError if the system refuses.

    The lock is on the directory itself, so it leaves no file behind, and the kernel releases it if the process is
    killed. Raises BlockingIOError if another process held the lock all the time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, time.monotonic() + _SECONDS)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EWOULDBLOCK, "another ftc is writing there") from None
            time.sleep(_PAUSE)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return
