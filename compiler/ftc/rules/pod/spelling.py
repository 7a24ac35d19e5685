"""Misspelled variables of NCCL, HCCL, PyTorch and the clients of the Hugging Face hub."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

from ftc.resources import directory

# One wrong letter in ten; a longer variable may belong to a version that the data do not cover.
_NEAR = 0.9


class Misspelled(NamedTuple):
    """The library, and the variable that it reads."""

    library: str
    meant: str


@cache
def misspelled(name: str) -> Misspelled | None:
    """The variable that a name nearly matches; None for a known one, or a name of another program."""
    if any(name in data["names"] for data in _libraries().values()):
        return None
    # `NCLL_` is like `NCCL_`; the name of a variable with a version or an index (HF_TOKEN_2) is the user's.
    first = set(name.partition("_")[0])
    for library, data in _libraries().items():
        ours = any(first == set(prefix.rstrip("_")) for prefix in data["prefixes"])
        near = _near(name, data["names"]) if ours and not re.fullmatch(r"[A-Z_]+?_?[0-9]+", name) else ""
        if near:
            return Misspelled(library, near)
    return None


def _letters(word: str) -> list[str]:
    return sorted(word)


def _near(name: str, known: list[str]) -> str:
    swapped = [one for one in known if _letters(one) == _letters(name)]
    return next(iter(swapped or get_close_matches(name, known, n=1, cutoff=_NEAR)), "")


@cache
def _libraries() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads((directory("schemas") / "variables.json").read_bytes())
    return found
