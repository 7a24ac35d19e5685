"""Findings that another one explains, which nobody needs to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics import codes

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic, KeyPath

_MISSING = (codes.UNRESOLVED, codes.NO_VALUE, codes.REQUIRED, codes.NO_OPTIONS)


def without_follow_ups(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The findings that stand for themselves.

    A key that does not exist explains all below it; a file that cannot be read, or a value that calls a resolver, every
    key that is missing and every reference that leads nowhere.
    """
    found = {d.code for d in diagnostics}
    if codes.NO_OPTIONS in found:
        diagnostics = tuple(d for d in diagnostics if d.code != codes.REQUIRED)
    unknown = [d.path for d in diagnostics if d.code == codes.UNKNOWN_KEY]
    called = {d.position for d in diagnostics if d.code == codes.RESOLVER}
    told = {d.path for d in diagnostics} - {()}
    kept = tuple(d for d in diagnostics if d.follows_from not in told and not _is_below(d.path, unknown))
    kept = tuple(d for d in kept if d.code == codes.RESOLVER or d.position not in called)
    explained = _MISSING if found & {codes.UNREADABLE, codes.RESOLVER} else ()
    return tuple(d for d in kept if d.code not in explained)


def _is_below(path: KeyPath, parents: list[KeyPath]) -> bool:
    return any(path[: len(parent)] == parent != path for parent in parents)
