"""Regular expressions that are compiled when they are first used: the compiling of all takes longer than a plan."""

from __future__ import annotations

import re
from typing import Any, cast


def lazily(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The pattern as `re.compile` would return it."""
    return cast("re.Pattern[str]", _Lazy(pattern, flags))


class _Lazy:
    def __init__(self, pattern: str, flags: int) -> None:
        self._compiled = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Take a method or an attribute of the pattern; the next time it is found without this."""
        found = getattr(re.compile(*self._compiled), name)
        setattr(self, name, found)
        return found
