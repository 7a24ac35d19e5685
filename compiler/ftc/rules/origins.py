"""The subject of rules on where the values of a spec come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ftc.diagnostics.model import KeyPath, Position
    from ftc.spec.job import JobSpec


class Origins(NamedTuple):
    """A spec, and what set its keys.

    A later setting has a higher `rank`. A key `is_of_run` if an override or the primary config sets it, not an option.
    `models` returns the ids of the options of the group model. `targets` are the requested ones.
    """

    spec: JobSpec
    position: Callable[[KeyPath], Position | None]
    rank: Callable[[KeyPath], int]
    is_of_run: Callable[[KeyPath], bool]
    models: Callable[[], Mapping[str, str]]
    targets: Collection[str]
