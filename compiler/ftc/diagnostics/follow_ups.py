"""Leave out findings that another finding explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics import codes

if TYPE_CHECKING:
    from ftc.diagnostics.model import Diagnostic, KeyPath

_MISSING = (codes.UNRESOLVED, codes.NO_VALUE, codes.REQUIRED, codes.NO_OPTIONS)


def without_follow_ups(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Return the findings that no other finding explains.

    An unknown key explains all findings below it. A file that cannot be read, or a value that calls a resolver,
    explains every missing key and every unresolved reference.
    """
    found = {d.code for d in diagnostics}
    if codes.NO_OPTIONS in found:
        diagnostics = tuple(d for d in diagnostics if d.code != codes.REQUIRED)
    unknown = [d.path for d in diagnostics if d.code == codes.UNKNOWN_KEY]
    called = {d.position for d in diagnostics if d.code == codes.RESOLVER}
    reported = {d.path for d in diagnostics} - {()}
    kept = tuple(d for d in diagnostics if d.follows_from not in reported and not _is_below(d.path, unknown))
    kept = tuple(d for d in kept if d.code == codes.RESOLVER or d.position not in called)
    explained = _MISSING if found & {codes.UNREADABLE, codes.RESOLVER} else ()
    return tuple(d for d in kept if d.code not in explained)


def _is_below(path: KeyPath, parents: list[KeyPath]) -> bool:
    return any(path[: len(parent)] == parent != path for parent in parents)
