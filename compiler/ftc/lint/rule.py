"""What a rule of lint is: a function from a part of the input to findings."""

from __future__ import annotations

import msgspec

from ftc.diagnostics.model import Severity
from ftc.lint.text import Spot
from ftc.rules.rule import Rule

__all__ = ["Finding", "Rule"]


class Finding(msgspec.Struct, frozen=True):
    """What a rule found: where, what is wrong, what to do; `severity` where it is not the rule's own.

    `related` are other places that have a part in it.
    """

    where: Spot
    message: str
    help: str = ""
    severity: Severity | None = None
    related: tuple[Spot, ...] = ()
