"""The two sides of `ftc diff --base`: a revision of git, and the working tree."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from ftc import __version__
from ftc.cli.options import Reporting, refuse, say, subject, tell
from ftc.diagnostics.model import Diagnostic, has_errors
from ftc.diff.report import FTC, Difference, Run
from ftc.diff.sides import NoRevisionError, as_kept, checked_out, of_cases, of_state
from ftc.driver import Request, compile_job
from ftc.places import conf_place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_Refused = dict[str, tuple[Diagnostic, ...]]


class Wanted(NamedTuple):
    """How both sides are compiled."""

    config_dirs: tuple[Path, ...]
    config_name: str
    targets: tuple[str, ...]
    golden: Path
    strict: bool

    def request(self, overrides: tuple[str, ...]) -> Request:
        """The compile of some overrides."""
        return Request(overrides, self.config_dirs, self.config_name, self.targets, strict=self.strict)


def revisions(
    base: str, overrides: tuple[str, ...], wanted: Wanted, *, despite_errors: bool
) -> tuple[dict[str, Run], dict[str, Run], _Refused, list[str]]:
    """Load a revision and the working tree: the run that was asked for, or every case; and the errors of the latter.

    The cases of the revision are compared as its golden/ has them, because that is what goes to the cluster. A case
    without golden files, or with malformed ones, which the remarks name, is compiled by this ftc, and counts as new if
    it does not compile. Runs with errors are left out on both sides; they end the command unless `despite_errors`.
    """
    dirs = wanted.config_dirs or (conf_place(wanted.golden),)
    is_run = bool(overrides) or wanted.config_name != "config"
    after, broken = _compiled(overrides, wanted._replace(config_dirs=_existing(dirs)), is_run=is_run)
    if broken:
        tell(broken, Reporting() if despite_errors else None)
        if not despite_errors:
            sys.exit(1)
    malformed: dict[str, Diagnostic] = {}
    try:
        with checked_out(base, [wanted.golden, *dirs]) as (golden, *there):
            earlier = wanted._replace(config_dirs=_existing(there), golden=golden, strict=False)
            before, refused = _compiled(overrides, earlier, is_run=is_run)
            if not is_run:
                before, malformed = as_kept(golden, before, refused, f"{wanted.golden} at {base}")
    except NoRevisionError as error:
        refuse(f"{base}: {error}")
    if not (is_run or after or broken or before or refused):
        refuse(f"neither {wanted.golden} nor {wanted.golden} at {base} has a case: give overrides, -c or --dir")
    _tell_of_base(base, refused, before)
    remarks = [
        f"{_place(one, wanted.golden, base)}: {one.message}{_instead(name) if name in before else ''}"
        for name, one in malformed.items()
    ]
    return {name: run for name, run in before.items() if not _is_below(name, broken)}, after, broken, remarks


def _existing(directories: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(one for one in directories if one.is_dir())


def _is_below(name: str, cases: Collection[str]) -> bool:
    """Whether a run is one of these, or a combination of one."""
    return name in cases or name.partition("/")[0] in cases


def _compiled(overrides: tuple[str, ...], wanted: Wanted, *, is_run: bool) -> tuple[dict[str, Run], _Refused]:
    if not is_run:
        return of_cases(wanted.golden, wanted.request(()))
    state = compile_job(wanted.request(overrides))
    return ({}, {"": state.diagnostics}) if has_errors(state.diagnostics) else ({"": of_state(state)}, {})


def _place(malformed: Diagnostic, golden: Path, base: str) -> str:
    where = malformed.position
    return f"{golden / where.source} at {base}, line {where.line}" if where else f"{golden} at {base}"


def _instead(name: str) -> str:
    return f"; {subject([name])} is compared with what it compiles to there"


def _tell_of_base(base: str, refused: _Refused, before: Mapping[str, Run]) -> None:
    alike: dict[tuple[str, bool], list[str]] = {}
    for name, diagnostics in refused.items():
        codes = ", ".join(dict.fromkeys(one.code for one in diagnostics))
        alike.setdefault((codes, name in before), []).append(name)
    for (codes, is_kept), names in alike.items():
        verb = "do" if len(names) > 1 else "does"
        rest = "comparing the golden files" if is_kept else "counted as new"
        say(f"ftc: {subject(names)} {verb} not compile at {base} ({codes}): {rest}", err=True)


def note(before: Mapping[str, Run], found: Sequence[Difference]) -> str:
    """Name the ftc that compiled each side, so that changes of ftc are not attributed to a key."""
    kept = ", ".join(sorted({run.kept for run in before.values() if run.kept}))
    if not kept:
        return f"both sides are compiled by ftc {__version__}"
    said = f"before is {kept}, after is what ftc {__version__} compiles"
    is_cause = any(cause.key == FTC for one in found for change in one.changes for cause in change.causes)
    return f"{said}; if ftc is the cause, {kept} is from another ftc or out of date" if is_cause else said
