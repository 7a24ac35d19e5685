"""How much of one kind is reported: the first findings are mended, and the others cost seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Each unknown key is compared with all that are known.
MOST_KEYS = 20
# Of one rule: each finding has a position and a line of a file to be looked for.
MOST_FINDINGS = 50
MORE = "there are more findings like this one, which are not listed"


def first_keys(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """The unknown keys to report one by one, and the others."""
    found = list(keys)
    return found[:MOST_KEYS], found[MOST_KEYS:]


def and_others(keys: list[str]) -> str:
    """Report unknown keys, the first of which has the place, by their number."""
    return f"is not known, and {len(keys) - 1} more keys after it are not" if len(keys) > 1 else "is not known"
