"""`ftc golden`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ftc.cli.options import cannot_write, config_dirs, refuse, say
from ftc.cli.refusals import tell
from ftc.diagnostics.printable import escaped, inert

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftc.golden.compare import Comparison, Finding

_F = TypeVar("_F", bound="Callable[..., Any]")


@click.group("golden")
def command() -> None:
    """Keep compiled runs in git, so that a pull request shows what changes on the cluster.

    A case is a directory golden/CASE with a case.yaml, which says what to compile, and everything that it compiles to:

    \b
      why: The run of every night, on four nodes.
      config: nightly             # the primary config; config, where it is left out
      overrides: [nodes=4]
      targets: [volcano]

    A matrix is a directory for each combination, in Hydra's sweep syntax:

    \b
      why: What may run on either kind of hardware.
      matrix: ["hardware=ascend,h800", "nodes=1,2,4"]
      exclude: [[hardware=h800, nodes=4]]

    SHA256SUMS is what ftc wrote last, by which a file that was edited by hand is known.
    """


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's
    from ftc.golden.case import names  # noqa: PLC0415 - Hydra, only when it is needed

    known = names(ctx.params.get("golden") or Path("golden"))
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def _selection(function: _F) -> _F:
    """CASE…, --dir and --config-dir."""
    function = config_dirs(function)
    function = click.option(
        "--dir",
        "golden",
        default="golden",
        show_default=True,
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Where the cases are. Without --config-dir, a conf beside it is the conf tree of your own.",
    )(function)
    return click.argument("cases", nargs=-1, metavar="[CASE]...", shell_complete=_complete)(function)


@command.command("check")
@_selection
def check(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...]) -> None:
    """Say what differs from what the cases compile to; the exit code is 1 then.

    \b
      ftc golden check
      ftc golden check nightly --config-dir conf
    """
    found = _compared(cases, golden, config_dirs)
    for finding in found.told():
        click.echo(_shown(finding))
    if found.findings:
        click.echo(f"ftc: {_counts(found)}: read the diff, then `ftc golden update`", err=True)
    elif not found.refused:
        say(f"ftc: {golden} is what its cases compile to ({len(found.made)} compiled)", err=True)
    sys.exit(bool(found.findings or found.refused))


@command.command("update")
@_selection
def update(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...]) -> None:
    """Write what differs from what the cases compile to, and nothing else; say what.

    Read the diff before you commit it. It is refused in CI ($CI is set), where nobody would.

    \b
      ftc golden update
      ftc golden update nightly
    """
    from ftc.golden import update as writing  # noqa: PLC0415 - what writes, which a check need not load
    from ftc.golden.compare import Kind  # noqa: PLC0415 - the same
    from ftc.output.lock import only_writer  # noqa: PLC0415 - the same

    if os.environ.get("CI"):
        refuse("golden files are not updated in CI: run `ftc golden update` yourself, read the diff, commit it")
    try:
        with only_writer(golden):
            found = _compared(cases, golden, config_dirs)
            writing.update(golden, found)
    except OSError as error:
        cannot_write(golden, error)
    done = {Kind.ORPHANED: "removed", Kind.FOREIGN: "left"}
    for finding in found.findings:
        say(f"{done.get(finding.kind, 'wrote')} {finding.file} ({finding.kind})")
    if not found.findings and not found.refused:
        click.echo(f"ftc: nothing differs ({len(found.made)} compiled)", err=True)
    sys.exit(bool(found.refused))


def _compared(cases: tuple[str, ...], golden: Path, config_dirs: tuple[Path, ...]) -> Comparison:
    """What differs; what is refused is told at once."""
    from ftc.diagnostics.model import did_you_mean  # noqa: PLC0415 - Hydra, which `ftc golden --help` need not load
    from ftc.golden.case import conf_beside, misplaced, names  # noqa: PLC0415 - the same
    from ftc.golden.compare import compare  # noqa: PLC0415 - the same

    known = names(golden)
    for name in cases:
        if name not in known:
            refuse(f"{golden} has no case '{name}'; {did_you_mean(name, known)}")
    if not known and not misplaced(golden):
        refuse(f"{golden} has no case: write {golden}/<case>/case.yaml (see `ftc golden --help`)")
    found = compare(golden, cases, config_dirs or conf_beside(golden))
    tell(found.refused)
    return found


def _counts(found: Comparison) -> str:
    counts = Counter(finding.kind.value for finding in found.told())
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _shown(finding: Finding) -> str:
    """A line that says what is wrong with the file, and how it differs where both are there."""
    from ftc.cli.unified import unified  # noqa: PLC0415 - nothing to show is the usual case

    line = inert(f"{escaped(str(finding.file))}: {finding.kind}")
    if finding.stands is None or finding.should is None:
        return line
    return f"{line}\n{unified(finding.stands, finding.should, (str(finding.file), 'what the case compiles to'))}"
