"""Waits for something that another process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# Seconds for what takes a few on an idle machine: another limit of ftc's, an hour or more, must not have ended it.
SOON = 120


def wait_until(happened: Callable[[], object], limit: float = 3 * SOON) -> None:
    """Wait until a function returns something true; longer than the limit fails the test."""
    end = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
