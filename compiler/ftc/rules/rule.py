"""Rules: functions from a subject to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from ftc.diagnostics.model import Severity

Remedy: TypeAlias = str | dict[str, Any]
"""Text, or arguments to set. None removes an argument, ANY is a placeholder for the user's value."""
ANY = "…"


class Finding(msgspec.Struct, frozen=True):
    """The place that is wrong, the message, the help, and related places.

    A place is a key path of the spec, a key path of the subject, or a `Spot` of a manifest; the front end that created
    the subject resolves it. A help is one `Remedy` or a tuple of alternatives. `severity` overrides that of the rule.
    `at_key` says that the key is wrong, whatever its value.
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
    """A check with its stable code, its name and the type of its subject.

    `target` restricts it to one target. A `needed` rule cannot be suppressed: without it the manifest would be wrong
    on any cluster.
    """

    code: str
    name: str
    check: Check
    subject: type
    severity: Severity = Severity.ERROR
    target: str | None = None
    needed: bool = False
