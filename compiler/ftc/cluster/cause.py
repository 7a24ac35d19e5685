"""Causes with their evidence and remedies, as `ftc why` prints them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.printable import escaped, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 500
# The letter at its end would hide the beginning of a token.
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Remedy(msgspec.Struct, frozen=True):
    """A way to help: `text` in words; `override` for `ftc compile`, or `command` to paste, if there is one."""

    text: str
    override: str = ""
    command: str = ""


class Cause(msgspec.Struct, frozen=True):
    """Why a job does not run: `kind` is a stable name, `evidence` quotes the objects and logs."""

    kind: str
    text: str
    evidence: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Diagnosis(msgspec.Struct, frozen=True):
    """The state of a workload, and the causes that block it; the first one has to be removed first.

    `unseen` says in sentences what the user may not list.
    """

    name: str
    namespace: str
    state: str
    causes: tuple[Cause, ...] = ()
    unseen: tuple[str, ...] = ()


def cause(kind: str, text: str, evidence: Iterable[str] = (), remedies: Iterable[Remedy] = ()) -> Cause:
    """A cause with text from the cluster made safe: no control characters, no secrets, no endless lines."""
    made_safe = (Remedy(safe(one.text), one.override, one.command) for one in remedies)
    return Cause(kind, safe(text), tuple(safe(one) for one in evidence if one), tuple(made_safe))


def shell(*words: str) -> str:
    """Words for a shell, each of them quoted: a name from the cluster must not become a command."""
    return escaped(shlex.join(words))


def safe(text: str) -> str:
    """One line of printable text without secrets."""
    line = escaped(redacted(" ".join(_COLOUR.sub(" ", text).split())[: 4 * _LONGEST]))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
