"""`ftc diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftc.cli.options import configuration, report
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from ftc.cli.revisions import Wanted
    from ftc.diff.report import Difference, Run

# No argument of a command line can be this.
_BETWEEN = "\0"
_STYLES = {
    "head": {"bold": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "changed": {"fg": "yellow"},
    "moved": {"fg": "yellow"},
    "cause": {"fg": "bright_black"},
}


class _TwoSides(click.Command):
    """Click forgets where `--` stood; here it parts the two sides, and options may stand on either."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            args[args.index("--")] = _BETWEEN
        return super().parse_args(ctx, args)


@click.command("diff", cls=_TwoSides)
@configuration
@click.option(
    "-t", "--target", "targets", multiple=True, type=click.Choice(list(TARGETS)), help="What to compare beside volcano."
)
@click.option(
    "--base",
    metavar="REVISION",
    help="A revision of git against the working tree, each with its own conf: the run of the overrides or of -c, or, "
    "with neither, every case, as golden/ has it there against what it compiles to here.",
)
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A manifest that was written by hand against what is compiled.",
)
@click.option(
    "--dir",
    "golden",
    default="golden",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the cases are, for --base. Without --config-dir, a conf beside it is the conf tree of your own.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="text: for people.  markdown: a comment on a pull request.  json: an array, in full.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where there are changes.")
def command(  # noqa: PLR0913 - an option each
    *,
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    targets: tuple[str, ...],
    base: str | None,
    manifest: Path | None,
    golden: Path,
    form: str,
    exit_code: bool,
) -> None:
    """Say what changes on the cluster, and which keys of the spec bring it.

    Objects are compared by path, items of lists by their names, quantities by value (1Gi is 1024Mi), files that a pod
    carries as what they are. Two sets of overrides are parted by `--`; two paths are two directories or files.

    \b
      ftc diff hardware=ascend -- hardware=h800
      ftc diff build/before build/after
      ftc diff --base origin/main
      ftc diff --base origin/main --format markdown --exit-code
      ftc diff --base HEAD~1 -c nightly --config-dir conf
      ftc diff --manifest job.yaml hardware=ascend nodes=2
    """
    from ftc.cli.revisions import Wanted, note, revisions  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load
    from ftc.diff.report import compare  # noqa: PLC0415 - the same

    if sum((_BETWEEN in overrides, base is not None, manifest is not None)) > 1:
        raise click.UsageError("--base, --manifest and -- are three ways to say what is compared: give one")
    if targets and base is not None and not overrides and config_name == "config":
        raise click.UsageError("-t is for a run: the cases of golden/ say which targets they have")
    wanted = Wanted(config_dirs, config_name, tuple(dict.fromkeys(("volcano", *targets))), golden)
    if base is not None:
        sides = revisions(base, overrides, wanted)
    elif manifest is not None:
        sides = _sound(_at(manifest), {"": _compiled(overrides, wanted)})
    elif _BETWEEN in overrides:
        place = overrides.index(_BETWEEN)
        before, after = overrides[:place], overrides[place + 1 :]
        sides = {"": _compiled(before, wanted)}, {"": _compiled(after, wanted)}
    else:
        sides = _directories(overrides)
    found = compare(*sides)
    compiled_by = "" if base is None else note(sides[0], found)
    click.echo(_rendered(found, form, compiled_by).encode(), nl=False)
    if form == "text":
        for line in filter(None, ("" if found else "nothing differs", compiled_by)):
            click.echo(f"ftc: {line}", err=True)
    sys.exit(bool(found and exit_code))


def _compiled(overrides: tuple[str, ...], wanted: Wanted) -> Run:
    from ftc.diagnostics.model import has_errors  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load
    from ftc.diff.sides import of_state  # noqa: PLC0415 - the same
    from ftc.driver import Request, compile_job  # noqa: PLC0415 - the same

    state = compile_job(Request(overrides, wanted.config_dirs, wanted.config_name, wanted.targets))
    if has_errors(state.diagnostics):
        report(state.diagnostics)
        sys.exit(1)
    return of_state(state)


def _directories(words: tuple[str, ...]) -> tuple[dict[str, Run], dict[str, Run]]:
    if len(words) != 2 or not all(Path(word).exists() for word in words):  # noqa: PLR2004 - two sides
        raise click.UsageError("give two directories, overrides on both sides of `--`, --base or --manifest")
    return _sound(_at(Path(words[0])), _at(Path(words[1])))


def _sound(before: dict[str, Run], after: dict[str, Run]) -> tuple[dict[str, Run], dict[str, Run]]:
    from ftc.diff.sides import problems  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    found = (*problems(before, after), *problems(after, before))
    if found:
        report(found)
        sys.exit(1)
    return before, after


def _at(path: Path) -> dict[str, Run]:
    from ftc.diff.sides import of_path  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load

    return of_path(path)


def _rendered(found: tuple[Difference, ...], form: str, note: str) -> str:
    from ftc.cli.rendering import has_colour  # noqa: PLC0415 - Hydra, which `ftc diff --help` need not load
    from ftc.diff import render_json, render_markdown, render_text  # noqa: PLC0415 - the same

    if form == "json":
        return render_json.render(found)
    if form == "markdown":
        return render_markdown.render(found, note)
    return render_text.render(found, _painted if has_colour(sys.stdout) else lambda text, _: text)


def _painted(text: str, role: str) -> str:
    return click.style(text, **_STYLES[role])  # type: ignore[arg-type] # the values of one option have one type
