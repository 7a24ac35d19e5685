"""Differences as a JSON array, one object per run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.diagnostics.printable import as_json
from ftc.diagnostics.redact import redacted, without_secrets
from ftc.diff.changes import named, plain, written
from ftc.explain.artifact import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftc.diff.report import Difference, Explained


def render(differences: Iterable[Difference]) -> str:
    """Write all differences in full."""
    return as_json([_run(one) for one in differences]) + "\n"


def _run(difference: Difference) -> dict[str, Any]:
    changes = [_change(item) for item in difference.changes]
    return {
        "run": difference.name,
        "status": difference.status.value,
        "objects": list(difference.things),
        "changes": changes,
    }


def _change(item: Explained) -> dict[str, Any]:
    change = item.change
    sides = {"before": change.before, "after": change.after}
    name = str(next(reversed(named(change.address)), ""))
    values = {side: without_secrets(value, name) for side, value in sides.items() if value is not ABSENT}
    causes = [{"key": one.key, "before": redacted(one.before), "after": redacted(one.after)} for one in item.causes]
    return {
        "object": item.thing,
        "path": written(change.address),
        "steps": list(plain(change.address)),
        "kind": change.kind.value,
        **values,
        "causes": causes,
    }
