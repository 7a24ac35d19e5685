"""Wait for an action of another process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# Seconds for a step that takes a few on an idle machine: no time limit of ftc, an hour or more, can have ended it.
SOON = 120


def wait_until(happened: Callable[[], object], limit: float = 3 * SOON) -> None:
    """Wait until a function returns a true value; fail the test after the limit."""
    end = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
