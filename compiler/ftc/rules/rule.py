"""What a rule is: a function from a subject to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from ftc.diagnostics.model import Severity

Remedy: TypeAlias = str | dict[str, Any]
"""Words, or what to write: arguments with their values. None leaves one out, ANY stands for a value of the user's."""
ANY = "…"


class Finding(msgspec.Struct, frozen=True):
    """The place that is wrong, what is wrong with it, what to do, and other places that have a part.

    A place is a key path of the spec, a key path of the subject, or a `Spot` of a manifest: the front end that made the
    subject resolves it. A help has one `Remedy`, or a tuple of several to choose from. `severity` replaces the rule's.
    `at_key` says that the key should not be there, whatever its value.
    """

    where: Any
    message: str
    help: Any = ""
    related: tuple[Any, ...] = ()
    at_key: bool = False
    severity: Severity | None = None


Check: TypeAlias = Callable[..., Iterable[Finding]]
"""Takes a subject; a rule on specs takes the spec and its plan."""


class Rule(msgspec.Struct, frozen=True):
    """A check with its stable code and name, and the type of its subject.

    `target` says that it holds for one target only. A `needed` rule cannot be suppressed: what ftc would emit against
    it is wrong on any cluster.
    """

    code: str
    name: str
    check: Check
    subject: type
    severity: Severity = Severity.ERROR
    target: str | None = None
    needed: bool = False
