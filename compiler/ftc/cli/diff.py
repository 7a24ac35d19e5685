"""`ftc diff`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import click

from ftc.cli.document import current
from ftc.cli.options import (
    Place,
    Reporting,
    configuration,
    counted,
    not_empty,
    refusals,
    say,
    warn,
)
from ftc.targets import POD_TARGETS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftc.api.runs import Compiled
    from ftc.cli.revisions import Wanted
    from ftc.diagnostics.model import Diagnostic
    from ftc.diff.report import Difference

    _Side = Compiled | Path
    _Findings = Mapping[str, tuple[Diagnostic, ...]]


class _Compared(NamedTuple):
    """What differs, remarks, the warnings of both sides, the errors of refused runs, and the number of all runs.

    `folded` has what differs in addition to a release of ftc, and the lines about the release.
    """

    found: tuple[Difference, ...]
    notes: list[str]
    before: _Findings
    after: _Findings
    refused: _Findings = MappingProxyType({})
    runs: int = 1
    is_revision: bool = False
    folded: tuple[tuple[Difference, ...], list[str]] | None = None


# A command-line argument cannot contain NUL.
_BETWEEN = "\0"
_TARGETS = f"{__name__}.targets"
_NOT_COMPILED = "-t applies to what is compiled: give --base, --manifest, or overrides on both sides of `--`"
_STYLES = {
    "head": {"bold": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "changed": {"fg": "yellow"},
    "moved": {"fg": "yellow"},
    "cause": {"fg": "bright_black"},
}


def _two_targets(text: str) -> tuple[str, str]:
    """The two targets of --between."""
    names = text.split(",")
    if len({*names}) != 2 or not {*names} <= POD_TARGETS.keys():  # noqa: PLR2004 - before and after
        raise click.UsageError(f"--between needs two of {', '.join(POD_TARGETS)}, such as volcano,job")
    return names[0], names[1]


class _TwoSides(click.Command):
    """Keep the two sides of `--`, whose position click drops; options may be on either side."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            ctx.meta[_TARGETS] = tuple(self._targets(ctx, side) for side in (args[:place], args[place + 1 :]))
            args[place] = _BETWEEN
        return super().parse_args(ctx, args)

    def _targets(self, ctx: click.Context, side: list[str]) -> tuple[str, ...]:
        found, _, _ = self.make_parser(ctx).parse_args(list(side))
        return tuple(found.get("targets") or ())


@click.command("diff", cls=_TwoSides)
@configuration
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    type=click.Choice(list(TARGETS)),
    help="A target to compare in addition to volcano. If both sides of `--` have -t, each has only its own targets.",
)
@click.option(
    "--base",
    type=not_empty,
    metavar="REVISION",
    help="Compare a git revision with the working tree, each with its own conf: the run of the overrides or of -c, or, "
    "with neither, every case: its golden files in the revision with what it compiles to here.",
)
@click.option(
    "--between",
    type=_two_targets,
    metavar="TARGET,TARGET",
    help="Compare the pods that two targets make of one run.",
)
@click.option(
    "--manifest",
    type=Place(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compare a handwritten manifest with what is compiled.",
)
@click.option(
    "--dir",
    "golden",
    default="golden",
    show_default=True,
    metavar="DIR",
    type=Place(file_okay=False, path_type=Path),
    help="The directory of the cases, for --base. Without --config-dir, a conf next to it is your conf tree.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="text: for people.  markdown: a comment on a pull request.  json: an array with everything.",
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are changes.")
@click.option(
    "--strict",
    is_flag=True,
    help="Treat warnings of what is compiled as errors, except at the revision of --base: one makes the exit code 1.",
)
def command(  # noqa: PLR0913 - one parameter per option
    *,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    targets: tuple[str, ...],
    base: str | None,
    between: tuple[str, str] | None,
    manifest: Path | None,
    golden: Path,
    form: str,
    exit_code: bool,
    strict: bool,
) -> None:
    """Show what changes on the cluster, and which keys of the spec cause it.

    Objects are compared by path, list items by name, quantities by value (1Gi is 1024Mi), and embedded files by their
    content. Two sets of overrides are separated by `--`; one set is compared with the defaults. Two paths are two
    directories or files.

    \b
      ftc diff nodes=2
      ftc diff hardware=ascend -- hardware=h800
      ftc diff build/before build/after
      ftc diff --base origin/main
      ftc diff --base origin/main --format markdown --exit-code
      ftc diff --base HEAD~1 -c nightly --config-dir conf
      ftc diff --manifest job.yaml hardware=ascend nodes=2
      ftc diff --between volcano,job nodes=2
    """
    from ftc.cli.revisions import Wanted  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    current().format = form if form == "json" else "text"
    is_alone = not (base or manifest or between)
    if overrides and _BETWEEN not in overrides and is_alone and not any(map(_is_path, overrides)):
        overrides = (_BETWEEN, *overrides)
    if sum((_BETWEEN in overrides, base is not None, manifest is not None, between is not None)) > 1:
        raise click.UsageError("--base, --between, --manifest and -- exclude each other: give one")
    if targets and base is not None and not overrides and config_name == "config":
        raise click.UsageError("-t applies to a run: each case of golden/ names its own targets")
    if targets and not (base or manifest or _BETWEEN in overrides):
        raise click.UsageError(_NOT_COMPILED)
    wanted = Wanted(config_dirs, config_name, between or tuple(dict.fromkeys(("volcano", *targets))), golden, strict)
    if between:
        compared = _between(overrides, wanted)
    elif base:
        compared = _against_base(base, overrides, wanted, form)
    else:
        compared = _compared(overrides, wanted, manifest)
    sys.exit(_print(compared, form) or bool(compared.found and exit_code))


def _print(compared: _Compared, form: str) -> bool:
    """Print the differences; return whether a run was refused."""
    found, release = compared.folded if compared.folded and form != "json" else (compared.found, [])
    if form == "markdown":
        click.echo(_comment(compared, found, release).encode(), nl=False)
    else:
        for line in release:
            say(line)
        click.echo(_rendered(found, form, compared.refused).encode(), nl=False)
        is_told = form == "text" and (found or compared.refused or not release)
        _remark([*([_totals(found, len(compared.refused))] if is_told else []), *compared.notes], compared)
    return bool(compared.refused)


def _is_path(word: str) -> bool:
    return "=" not in word or Path(word).exists()


def _against_base(base: str, overrides: tuple[str, ...], wanted: Wanted, form: str) -> _Compared:
    """Compare with a revision; runs that no longer compile are reported with the others, and in a comment."""
    from ftc.cli.revisions import note, revisions  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load
    from ftc.diff.report import compare, folded  # noqa: PLC0415 - the same

    is_cases = not overrides and wanted.config_name == "config"
    despite_errors = form == "markdown" or is_cases
    before, after, refused, remarks = revisions(base, overrides, wanted, despite_errors=despite_errors)
    found = compare(before, after)
    past, warned = ({name: run.warnings for name, run in side.items()} for side in (before, after))
    runs = len(before.keys() | after.keys() | refused.keys())
    rest = folded(found, before, after)
    return _Compared(found, [*remarks, note(before, found)], past, warned, refused, runs, is_revision=True, folded=rest)


def _between(overrides: tuple[str, ...], wanted: Wanted) -> _Compared:
    from ftc.api.comparison import between  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    with refusals(Reporting(current().format)):
        run = _compiled(overrides, wanted)
    return _Compared(between(run, *wanted.targets).differences, [], {}, {"": _warnings(run)})


def _compared(overrides: tuple[str, ...], wanted: Wanted, manifest: Path | None) -> _Compared:
    from ftc.api.comparison import diff  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    with refusals(Reporting(current().format)):
        sides = _sides(overrides, wanted, manifest)
        found = diff(*sides)
    before, after = ({"": _warnings(side)} for side in sides)
    return _Compared(found.differences, list(found.remarks), before, after)


def _sides(overrides: tuple[str, ...], wanted: Wanted, manifest: Path | None) -> tuple[_Side, _Side]:
    if manifest is not None:
        return manifest, _compiled(overrides, wanted)
    if _BETWEEN not in overrides:
        return _paths(overrides)
    place = overrides.index(_BETWEEN)
    old, new = click.get_current_context().meta.get(_TARGETS, ((), ()))
    both = old and new
    first, second = (wanted._replace(targets=some) if both else wanted for some in (old, new))
    return _compiled(overrides[:place], first), _compiled(overrides[place + 1 :], second)


def _compiled(overrides: tuple[str, ...], wanted: Wanted) -> Compiled:
    from ftc.api.runs import compile as compile_  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    dirs, name, targets, _, strict = wanted
    return compile_(*overrides, config_dirs=dirs, config_name=name, targets=targets, strict=strict)


def _paths(words: tuple[str, ...]) -> tuple[Path, Path]:
    if len(words) != 2 or not all(word and Path(word).exists() for word in words):  # noqa: PLR2004 - two sides
        raise click.UsageError("give overrides, on one or on both sides of `--`, two directories, --base or --manifest")
    return Path(words[0]), Path(words[1])


def _warnings(side: _Side) -> tuple[Diagnostic, ...]:
    from ftc.diagnostics.model import warnings  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    return () if isinstance(side, Path) else warnings(side.findings)


def _remark(notes: Sequence[str], compared: _Compared) -> None:
    """Print remarks and warnings, without those of a revision, which is past."""
    for line in notes:
        say(f"ftc: {line}", err=True)
    past = {} if compared.is_revision else compared.before
    warn({name: (*past.get(name, ()), *found) for name, found in compared.after.items()}, Reporting())


def _comment(compared: _Compared, found: tuple[Difference, ...], release: Sequence[str]) -> str:
    from ftc.diff.comment import Judged, markdown  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    judged = Judged(compared.before, compared.after, compared.refused, compared.runs, tuple(release))
    return markdown(found, compared.notes, judged)


def _rendered(found: tuple[Difference, ...], form: str, refused: Iterable[str]) -> str:
    from ftc.cli.terminal import columns, has_colour, plain  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load
    from ftc.diff import render  # noqa: PLC0415 - the same

    if form == "json":
        return render.json_array(found, refused)
    return render.text(found, _painted if has_colour(sys.stdout) else plain, columns())


def _totals(found: tuple[Difference, ...], refused: int) -> str:
    """How many objects and values differ, and how many runs are added, removed or do not compile."""
    objects = {(one.name, item.thing) for one in found for item in one.changes}
    values = sum(len(one.changes) for one in found)
    changed = [f"{counted(values, 'change')} in {counted(len(objects), 'object')}"] if values else []
    runs = Counter(one.status.value for one in found if not one.changes)
    said = [*changed, *(f"{counted(count, 'run')} {status}" for status, count in runs.items())]
    said += [f"{counted(refused, 'run')} {'does' if refused == 1 else 'do'} not compile"] if refused else []
    return ", ".join(said) or "nothing differs"


def _painted(text: str, role: str) -> str:
    return click.style(text, **_STYLES[role])  # type: ignore[arg-type] # the values of one option have one type
