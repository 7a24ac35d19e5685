"""Report findings that several refused runs share, each once."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftc.cli.document import current
from ftc.cli.options import report, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftc.diagnostics.model import Diagnostic


def tell(refused: Mapping[str, tuple[Diagnostic, ...]]) -> None:
    """Report each finding once, below its first run and the number of other runs."""
    if current().collects:
        current().add((one for found in refused.values() for one in found), {})
        return
    runs: dict[Diagnostic, list[str]] = {}
    for name, diagnostics in refused.items():
        for one in diagnostics:
            runs.setdefault(one, []).append(name)
    for names, found in groupby(runs, runs.__getitem__):
        verb = "are" if len(names) > 1 else "is"
        say(f"ftc: {subject(names)} {verb} refused:", err=True)
        report(found)


def subject(names: Sequence[str]) -> str:
    """Name several runs by the first of them; a run without a name is the only one."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"case {names[0]}{more}" if names[0] else "the run"
