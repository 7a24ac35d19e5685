"""Wait for an action of another process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(happened: Callable[[], object], limit: float = 20) -> None:
    """Wait until a function returns a true value; fail the test after the limit."""
    end = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
