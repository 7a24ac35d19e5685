"""What a rule of lint is: a function from a part of the input to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from ftc.diagnostics.model import Severity
from ftc.lint.text import Spot


class Finding(msgspec.Struct, frozen=True):
    """What a rule found: where, what is wrong, what to do; `severity` where it is not the rule's own.

    `related` are other places that have a part in it.
    """

    where: Spot
    message: str
    help: str = ""
    severity: Severity | None = None
    related: tuple[Spot, ...] = ()


Check: TypeAlias = Callable[[Any], Iterable[Finding]]


class Rule(msgspec.Struct, frozen=True):
    """A check with its stable code, and what it looks at: a type of `lint/subjects.py`."""

    code: str
    check: Check
    subject: type
    severity: Severity = Severity.ERROR
