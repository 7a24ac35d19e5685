"""What is refused in several runs, told once."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from ftc.cli.options import report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.diagnostics.model import Diagnostic


def tell(refused: Mapping[str, tuple[Diagnostic, ...]]) -> None:
    """Say each finding once, below the first run that has it and the number of the others."""
    runs: dict[Diagnostic, list[str]] = {}
    for name, diagnostics in refused.items():
        for one in diagnostics:
            runs.setdefault(one, []).append(name)
    for names, found in groupby(runs, runs.__getitem__):
        click.echo(f"ftc: {_named(names)} refused:", err=True)
        report(found)


def _named(names: list[str]) -> str:
    first = f"case {names[0]}" if names[0] else "the run"
    return f"{first} and {len(names) - 1} more are" if len(names) > 1 else f"{first} is"
