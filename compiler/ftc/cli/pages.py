"""The pages of all codes, of compile and lint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks import pages as of_checks
from ftc.lint import pages as of_lint

if TYPE_CHECKING:
    from ftc.diagnostics.page import Page


def pages() -> dict[str, Page]:
    """Every page by its code, sorted by code."""
    known = of_checks.pages() | of_lint.pages()
    return dict(sorted(known.items()))
