"""`ftc.diff`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ftc.api.refused import RefusedError
from ftc.api.runs import Compiled
from ftc.diagnostics.printable import redacted, without_secrets
from ftc.diagnostics.shown import shown
from ftc.diff.changes import Kind, named, written
from ftc.diff.report import Difference, Explained, Run, Status, compare
from ftc.diff.report import between as of_targets
from ftc.diff.sides import ignored, left_out, of_path, of_state, problems, remarks, why_not
from ftc.explain.artifact import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Side = dict[str, Run]


@dataclass(frozen=True)
class Cause:
    """A key of the spec, and the file or override that set it before and after."""

    key: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """A value of an object that differs; `before` or `after` is None if the value is missing.

    If a whole run is on one side only, there is a change for each of its objects, with an empty `path`.
    """

    run: str
    object: str
    path: str
    kind: Kind
    before: Any
    after: Any
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, repr=False)
class Diff:
    """The differences of two sides. A notebook shows a table of them."""

    differences: tuple[Difference, ...]
    """The runs that differ, as ftc compares them; `changes` has the same for programs."""
    remarks: tuple[str, ...]
    """Facts about the sides that differences do not show, such as files that are not compared."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change, without secrets; empty if nothing differs."""
        return tuple(change for one in self.differences for change in _changes(one))

    @property
    def text(self) -> str:
        """The differences as the command prints them; empty if nothing differs."""
        from ftc.diff.render import text  # noqa: PLC0415 - one of several forms

        return text(self.differences)

    @property
    def markdown(self) -> str:
        """The differences as a comment on a pull request."""
        from ftc.diff.comment import markdown  # noqa: PLC0415 - one of several forms

        return markdown(self.differences, self.remarks)

    def __repr__(self) -> str:
        return f"<diff: {len(self.changes)} changes>"

    def _repr_html_(self) -> str:
        from ftc.api.html import of_diff  # noqa: PLC0415 - notebooks only

        return of_diff(self.differences, self.remarks)


def diff(before: Compiled | str | Path, after: Compiled | str | Path) -> Diff:
    """Compare what two runs are on the cluster, and find the keys of the spec that cause each change.

    Args:
        before: A compiled run, or the path of a manifest or of a directory that ftc wrote.
        after: The same.

    Raises:
        RefusedError: a manifest is malformed, or the sides share nothing that can be compared.
        OSError: a file cannot be read.

    """
    old, new = _side(before), _side(after)
    if found := (*problems(old, new), *problems(new, old)):
        raise RefusedError(findings=shown(found))
    if not isinstance(before, Compiled) and not isinstance(after, Compiled):
        old = _under_one_name(old, Path(before), Path(after))
    if reason := why_not(old, new):
        raise RefusedError(reason)
    differences = compare(old, new)
    paths = [Path(side) for side in (before, after) if not isinstance(side, Compiled)]
    unread = [file for path in paths if path.is_dir() for file in ignored(path)]
    unread += left_out(old, new) if not differences else []
    rest = [f"not compared: {', '.join(unread)}"] if unread else []
    return Diff(differences, (*remarks(old, new), *rest))


def between(run: Compiled, before: str, after: str) -> Diff:
    """Compare the pods that two targets make of one run; it was compiled for both."""
    return Diff(of_targets(run._state, before, after), ())  # noqa: SLF001 - ours


def _side(given: Compiled | str | Path) -> _Side:
    return {"": of_state(given._state)} if isinstance(given, Compiled) else of_path(Path(given))  # noqa: SLF001 - ours


def _under_one_name(before: _Side, old: Path, new: Path) -> _Side:
    """Two files of one kind are compared with each other whatever their names are."""
    if not (old.is_file() and new.is_file() and old.suffix == new.suffix):
        return before
    return {"": msgspec.structs.replace(before[""], files={new.name: before[""].files[old.name]})}


def _changes(difference: Difference) -> Iterator[Change]:
    kinds = {Status.ADDED: Kind.ADDED, Status.REMOVED: Kind.REMOVED}
    for thing in difference.things:
        yield Change(difference.name, thing, "", kinds[difference.status], None, None)
    for one in difference.changes:
        yield _change(difference.name, one)


def _change(run: str, one: Explained) -> Change:
    change = one.change
    name = str(next(reversed(named(change.address)), ""))
    before, after = (None if one is ABSENT else without_secrets(one, name) for one in (change.before, change.after))
    causes = tuple(Cause(cause.key, redacted(cause.before), redacted(cause.after)) for cause in one.causes)
    return Change(run, one.thing, written(change.address), change.kind, before, after, causes)
