"""What a rule is: a function from a subject to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from ftc.diagnostics.model import KeyPath, Severity

Remedy: TypeAlias = str | dict[str, Any]
"""Words, or what to write: arguments with their values. None leaves one out, ANY stands for a value of the user's."""
ANY = "…"


class Finding(msgspec.Struct, frozen=True):
    """The place that is wrong, what is wrong with it, what to do, and other places that have a part.

    A place is a key path in the words of the subject; the front end that made the subject knows where that is. A help
    has one remedy, or several to choose from. `severity` replaces the rule's. `at_key` says that the key should not be
    there, whatever its value.
    """

    where: KeyPath
    message: str
    help: Remedy | tuple[Remedy, ...] = ""
    related: tuple[KeyPath, ...] = ()
    at_key: bool = False
    severity: Severity | None = None


Check: TypeAlias = Callable[[Any], Iterable[Any]]


class Rule(msgspec.Struct, frozen=True):
    """A check with its stable code and the type of its subject; `target` says that it holds for one target only.

    A `needed` rule cannot be suppressed: what ftc would emit against it is wrong on any cluster.
    """

    code: str
    check: Check
    subject: type
    severity: Severity = Severity.ERROR
    target: str | None = None
    needed: bool = False
