"""`ftc golden`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ftc.cli.options import (
    Place,
    Reporting,
    cannot_write,
    config_dirs,
    not_empty,
    refuse,
    reporting_with_data,
    say,
    tell,
    warn,
)
from ftc.cli.terminal import has_colour
from ftc.diagnostics.printable import as_json, escaped, inert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftc.golden import Comparison, Finding
    from ftc.releases import Step

_F = TypeVar("_F", bound="Callable[..., Any]")


@click.group("golden")
def command() -> None:
    """Keep compiled runs in git, so that a pull request shows what changes on the cluster.

    A case is a directory golden/CASE with a case.yaml, which says what to compile, and everything that it compiles to:

    \b
      why: The nightly run, on four nodes.
      config: nightly             # the primary config; `config` by default
      overrides: [nodes=4]
      targets: [volcano]

    A matrix, in Hydra's sweep syntax, has a directory for each combination:

    \b
      why: Every run on either kind of hardware.
      matrix: ["hardware=ascend,h800", "nodes=1,2,4"]
      exclude: [[hardware=h800, nodes=4]]

    DIGESTS records what ftc wrote last, so that ftc recognizes a file that was edited by hand. If a new release of ftc
    changes only its version and its scripts in the files, one line says so, with the words of the changelog.
    """


def _selection(function: _F) -> _F:
    """CASE…, --dir, --config-dir, and the options of diagnostics."""
    function = config_dirs(reporting_with_data(function))
    function = click.option(
        "--dir",
        "golden",
        default="golden",
        show_default=True,
        metavar="DIR",
        type=Place(exists=True, file_okay=False, path_type=Path),
        help="The directory of the cases. Without --config-dir, a conf next to it is your conf tree.",
    )(function)
    return click.argument("cases", nargs=-1, type=not_empty, metavar="[CASE]...")(function)


@command.command("check")
@_selection
def check(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...], reporting: Reporting) -> None:
    """Compare golden files with what their cases compile to; exit with 1 if they differ.

    Differences go to stdout. The warnings of the cases, and the errors of refused ones, go to stderr.

    \b
      ftc golden check
      ftc golden check nightly --config-dir conf
      ftc golden check --strict --format github
    """
    found = _compared(cases, golden, config_dirs, reporting)
    if reporting.is_json:
        click.echo(as_json([_data(finding) for finding in found.shown()]))
    else:
        colour = has_colour(sys.stdout)
        of_releases = found.of_releases()
        _tell_of_releases(of_releases)
        for finding in [one for one in found.shown() if one not in of_releases]:
            click.echo(_shown(finding, colour=colour), color=colour)
    if not reporting.is_document:  # of which stderr has only one
        compiled = f"{len(found.made)} compiled{f', {len(found.refused)} refused' if found.refused else ''}"
        if found.findings:
            say(f"ftc: {_counts(found)} ({compiled}): {_what_to_do(found, golden)}", err=True)
        elif found.refused:
            click.echo(f"ftc: {compiled}", err=True)
        else:
            say(f"ftc: {golden} matches what its cases compile to ({compiled})", err=True)
    sys.exit(bool(found.findings or found.refused))


@command.command("update")
@_selection
def update(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...], reporting: Reporting) -> None:
    """Write the files that differ from what the cases compile to, and list them.

    Read the diff before you commit it. The command refuses to run in CI ($CI is set), because no one would read it.

    \b
      ftc golden update
      ftc golden update nightly
    """
    from ftc.golden import RECORD, Kind  # noqa: PLC0415 - Hydra, which `ftc golden --help` need not load
    from ftc.golden import update as write  # noqa: PLC0415 - the same
    from ftc.output.write import only_writer  # noqa: PLC0415 - the same

    if os.environ.get("CI"):
        refuse("golden files are not updated in CI: run `ftc golden update` locally, read the diff, and commit it")
    try:
        with only_writer(golden):
            found = _compared(cases, golden, config_dirs, reporting)
            write(golden, found)
    except OSError as error:
        cannot_write(golden, error)
    done = {Kind.ORPHANED: "removed", Kind.FOREIGN: "left"}
    if reporting.is_json:
        rows = [
            {"file": str(one.file), "kind": one.kind, "done": done.get(one.kind, "wrote")} for one in found.findings
        ]
        click.echo(as_json(rows))
    of_releases = {} if reporting.is_json else found.of_releases()
    _tell_of_releases(of_releases)
    told = {one.file.parent for one in of_releases}
    for finding in () if reporting.is_json else found.findings:
        if finding in of_releases or (finding.file.parent in told and finding.file.name == RECORD):
            continue
        say(f"{done.get(finding.kind, 'wrote')} {finding.file} ({finding.kind})")
    if not reporting.is_document and any(one.kind is Kind.FOREIGN for one in found.findings):
        say(f"ftc: {_FOREIGN} {golden}", err=True)
    if not found.findings and not found.refused and not reporting.is_document:
        click.echo(f"ftc: nothing differs ({len(found.made)} compiled)", err=True)
    sys.exit(bool(found.refused))


def _compared(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...], how: Reporting) -> Comparison:
    """Compare the cases; report warnings, and refused cases, at once."""
    from ftc.diagnostics.model import did_you_mean  # noqa: PLC0415 - Hydra, which `ftc golden --help` need not load
    from ftc.driver import Request  # noqa: PLC0415 - the same
    from ftc.golden import compare  # noqa: PLC0415 - the same
    from ftc.places import conf_beside, misplaced, names  # noqa: PLC0415 - the same

    known = names(golden)
    for name in cases:
        if name not in known:
            refuse(f"case '{name}' is not in {golden}; {did_you_mean(name, known)}")
    if not known and not misplaced(golden):
        refuse(f"{golden} does not contain a case: write {golden}/<case>/case.yaml (see `ftc golden --help`)")
    base = Request((), config_dirs or conf_beside(golden), ignore=how.ignore, strict=how.strict)
    found = compare(golden, cases, base)
    warn(found.warned, how)
    tell(found.refused, how)
    return found


def _tell_of_releases(files: Mapping[Finding, tuple[Step, bool]]) -> None:
    """Write one line for all files that only a release of ftc changes, and the words of the changelog below it."""
    from ftc.releases import lines  # noqa: PLC0415 - usually nothing differs

    cases: dict[tuple[Path, Step], bool] = {}
    for finding, (step, scripts) in files.items():
        place = finding.file.parent, step
        cases[place] = scripts or cases.get(place, False)
    for line in lines((step, scripts) for (_, step), scripts in cases.items()):
        say(line)


def _counts(found: Comparison) -> str:
    counts = Counter(finding.kind.value for finding in found.shown())
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


_FOREIGN = "delete what ftc did not write, or move it out of"


def _what_to_do(found: Comparison, golden: Path) -> str:
    """How to make the check succeed; an update keeps the files that ftc did not write."""
    from ftc.golden import Kind  # noqa: PLC0415 - Hydra, which `ftc golden --help` need not load

    kinds = {one.kind for one in found.findings}
    parts = ["read the diff, then `ftc golden update`"] if kinds - {Kind.FOREIGN} else []
    parts += [f"{_FOREIGN} {golden}"] if Kind.FOREIGN in kinds else []
    return "; ".join(parts)


def _shown(finding: Finding, *, colour: bool) -> str:
    """Describe what is wrong with a file, with a diff of both versions, or their line endings if only these differ."""
    diff = _diff(finding, colour=colour) or _endings(finding)
    return "\n".join([inert(f"{escaped(str(finding.file))}: {finding.kind}"), *([diff] if diff else [])])


def _endings(finding: Finding) -> str:
    if finding.actual is None or finding.expected is None:
        return ""
    what = ": CRLF, but ftc writes LF" if "\r" in finding.actual else ""
    what = what or (": the last line has none" if not finding.actual.endswith("\n") else "")
    return f"only the line endings differ{what}"


def _diff(finding: Finding, *, colour: bool) -> str:
    from ftc.cli.rendering import unified  # noqa: PLC0415 - usually nothing differs

    if finding.actual is None or finding.expected is None:
        return ""
    return unified(finding.actual, finding.expected, (str(finding.file), "compiled from the case"), colour=colour)


def _data(finding: Finding) -> dict[str, str]:
    return {"file": str(finding.file), "kind": finding.kind.value, "diff": _diff(finding, colour=False)}
