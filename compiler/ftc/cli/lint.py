"""`ftc lint`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ftc.cli.options import Reporting, refuse, report, reporting
from ftc.diagnostics.codes import SILENCES_NOTHING, UNREADABLE
from ftc.diagnostics.model import Diagnostic, Severity, as_errors, has_errors
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.source import MAX_STREAM_BYTES

_DASH = Path("-")
_STDIN = "<stdin>"


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--kubernetes",
    type=click.Choice(kubernetes_versions()),
    default=kubernetes_versions()[-1],
    show_default=True,
    help="The minor of Kubernetes that the manifests are for.",
)
@click.option(
    "--volcano",
    type=click.Choice(volcano_versions()),
    default=volcano_versions()[-1],
    show_default=True,
    help="The minor of Volcano that the manifests are for.",
)
@reporting
def command(files: tuple[Path, ...], kubernetes: str, volcano: str, reporting: Reporting) -> None:
    """Find mistakes in manifests that you have: VolcanoJobs, Jobs, LLaMA-Factory's YAML.

    FILE is a file, a directory (its .yaml and .yml files, those below it too), or - for stdin. The scripts inside are
    read too. The files are taken together: a Service, a claim or a ConfigMap in one of them is known to a Job in
    another. The findings are written to stdout; the exit code is 1 where there is an error.

    \b
      ftc lint vcjob.yaml
      ftc lint job.yaml service.yaml
      ftc lint --format github deploy/
      kubectl get vcjob -o yaml | ftc lint -
    """
    from ftc.lint import Versions, lint  # noqa: PLC0415 - the shell's grammar, which `--help` needs not

    inside = tuple(found for file in files if file.is_dir() for found in _inside(file))
    named = tuple(dict.fromkeys(file for file in files if not file.is_dir()))
    beside = frozenset(map(str, inside)) - frozenset(map(str, named))
    read = [(str(file) if file != _DASH else _STDIN, _content(file)) for file in dict.fromkeys((*named, *inside))]
    found = _judged(lint(read, Versions(kubernetes, volcano), beside), reporting)
    texts = {name: content.decode("utf-8", "replace") for name, content in read if name == _STDIN}
    report(found, reporting, texts, err=False)
    if has_errors(found):
        sys.exit(1)


def _inside(directory: Path) -> list[Path]:
    """The YAML files below a directory, but for hidden ones."""
    found = []
    for here, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        files = (Path(here, name) for name in sorted(names) if not name.startswith("."))
        found += [file for file in files if file.suffix in (".yaml", ".yml") and file.is_file()]
    if not found:
        refuse(f"{directory} has no .yaml or .yml file")
    return found


def _judged(found: tuple[Diagnostic, ...], how: Reporting) -> tuple[Diagnostic, ...]:
    """What is left of the findings when the ignored ones are gone, as severe as was asked for."""
    codes = {one.code for one in found}
    unused = [] if UNREADABLE in codes else sorted(set(how.ignore) - codes)
    kept = (*(one for one in found if one.code not in how.ignore), *map(_silences_nothing, unused))
    return as_errors(kept) if how.strict else kept


def _silences_nothing(code: str) -> Diagnostic:
    message = f"{code} is not found, so ignoring it does nothing"
    return Diagnostic(code=SILENCES_NOTHING, message=message, severity=Severity.WARNING, help="leave it out")


def _content(file: Path) -> bytes:
    """All of a file, or more of it than lint judges."""
    try:
        if file == _DASH:
            return sys.stdin.buffer.read(MAX_STREAM_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MAX_STREAM_BYTES + 1)
    except OSError as error:
        refuse(f"cannot read {file if file != _DASH else _STDIN}: {error.strerror}")
