"""What a rule is: a function from a spec and its plan to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ftc.diagnostics.model import KeyPath, Severity

if TYPE_CHECKING:
    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


class Finding(msgspec.Struct, frozen=True):
    """What a rule found: the key that is wrong, what is wrong with it, what to do, and the other keys that have a part.

    `at_key` says that the key should not be there, whatever its value.
    """

    path: KeyPath
    message: str
    help: str = ""
    related: tuple[KeyPath, ...] = ()
    at_key: bool = False


Check: TypeAlias = Callable[["JobSpec", "RunPlan"], Iterable[Finding]]


class Rule(msgspec.Struct, frozen=True):
    """A check with its stable code; `target` says that it holds for one target only.

    What is `needed` cannot be silenced: what ftc would emit against it is wrong, whatever the cluster is like.
    """

    code: str
    check: Check
    severity: Severity = Severity.ERROR
    target: str | None = None
    needed: bool = False
