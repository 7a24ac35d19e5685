"""`ftc lint`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftc.cli.options import Place, Reporting, not_empty, refuse, report, reporting
from ftc.diagnostics.codes import SILENCES_NOTHING, UNREADABLE
from ftc.diagnostics.model import Diagnostic, Severity, as_errors, has_errors
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.source import MAX_STREAM_BYTES
from ftc.spec.job import Trainer
from ftc.trainer import release

if TYPE_CHECKING:
    from collections.abc import Mapping

_DASH = Path("-")
_STDIN = "<stdin>"


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=Place(path_type=Path))
@click.option(
    "--kubernetes",
    type=click.Choice(kubernetes_versions()),
    default=kubernetes_versions()[-1],
    show_default=True,
    help="The minor version of Kubernetes that the manifests are for.",
)
@click.option(
    "--volcano",
    type=click.Choice(volcano_versions()),
    default=volcano_versions()[-1],
    show_default=True,
    help="The minor version of Volcano that the manifests are for.",
)
@click.option(
    "--llamafactory",
    type=not_empty,
    metavar="VERSION",
    help="The version of LLaMA-Factory that reads the files, by default that of the image or the newest known.",
)
@click.option(
    "--transformers",
    type=not_empty,
    metavar="VERSION",
    help="The version of transformers that LLaMA-Factory runs with.",
)
@reporting
def command(files: tuple[Path, ...], reporting: Reporting, **versions: str | None) -> None:
    """Find mistakes in existing manifests: VolcanoJobs, Jobs, LLaMA-Factory's YAML.

    FILE is a file, a directory (all .yaml, .yml and .json files below it), or - for stdin. Embedded scripts are checked
    too. The files are checked together: a Service, a claim, a ConfigMap, a dataset_info.json or a configuration of
    DeepSpeed in one of them is known to the others. A training is checked against the release that the image names, or
    the newest one that ftc knows. The findings go to stdout; the exit code is 1 if one of them is an error.

    \b
      ftc lint vcjob.yaml
      ftc lint job.yaml service.yaml
      ftc lint --llamafactory 0.9.3 train.yaml ds_z3_config.json data/dataset_info.json
      ftc lint --format github deploy/
      kubectl get vcjob -o yaml | ftc lint -
    """
    from ftc.lint import Versions, lint  # noqa: PLC0415 - the shell's grammar, which `--help` need not load

    inside = tuple(found for file in files if file.is_dir() for found in _inside(file))
    named = tuple(dict.fromkeys(file for file in files if not file.is_dir()))
    unnamed = frozenset(map(str, inside)) - frozenset(map(str, named))
    read = [(str(file) if file != _DASH else _STDIN, _content(file)) for file in dict.fromkeys((*named, *inside))]
    known = Versions(str(versions["kubernetes"]), str(versions["volcano"]), _trainer(versions))
    found = _judged(lint(read, known, unnamed), reporting)
    texts = {name: content.decode("utf-8", "replace") for name, content in read if name == _STDIN}
    report(found, reporting, texts, err=False)
    if has_errors(found):
        sys.exit(1)


def _trainer(versions: Mapping[str, str | None]) -> Trainer | None:
    """The known pair for the given versions, without the one that they leave open; None if neither is given."""
    asked = {name: versions[name] for name in ("llamafactory", "transformers") if versions[name] is not None}
    known = [Trainer(*pair.split("+")) for pair in release.pairs()]
    fits = [pair for pair in known if all(getattr(pair, name) == version for name, version in asked.items())]
    if asked and not fits:
        given = " and ".join(f"{name} {version}" for name, version in asked.items())
        every = ", ".join(release.in_words(pair) for pair in release.pairs())
        raise click.UsageError(f"{given} is not known; known: {every}")
    if len(fits) > 1 and "transformers" not in asked:
        return Trainer(fits[-1].llamafactory, "") if asked else None
    return fits[-1] if asked else None


# A configuration of DeepSpeed is small; a larger JSON file is data.
_MAX_JSON_BYTES = 65_536


def _is_read(file: Path) -> bool:
    if file.suffix == ".json":
        return file.name == "dataset_info.json" or file.stat().st_size <= _MAX_JSON_BYTES
    return file.suffix in (".yaml", ".yml")


def _inside(directory: Path) -> list[Path]:
    """The YAML and JSON files below a directory, except hidden ones."""
    found = []
    for here, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        files = (Path(here, name) for name in sorted(names) if not name.startswith("."))
        found += [file for file in files if file.is_file() and _is_read(file)]
    if not found:
        refuse(f"{directory} does not contain a .yaml, .yml or small .json file")
    return found


def _judged(found: tuple[Diagnostic, ...], how: Reporting) -> tuple[Diagnostic, ...]:
    """Drop the ignored findings, and apply --strict."""
    from ftc.rules.catalogue import meant  # noqa: PLC0415 - every rule, which `--help` need not load

    codes = {one.code for one in found}
    ignored = {code for given in how.ignore for code in meant(given)}
    unused = [] if UNREADABLE in codes else sorted(code for code in set(how.ignore) if not codes & {*meant(code)})
    kept = (*(one for one in found if one.code not in ignored), *map(_silences_nothing, unused))
    return as_errors(kept) if how.strict else kept


def _silences_nothing(code: str) -> Diagnostic:
    message = f"no finding has the code {code}, so ignoring it does nothing"
    return Diagnostic(code=SILENCES_NOTHING, message=message, severity=Severity.WARNING, help="remove it")


def _content(file: Path) -> bytes:
    """Read a file, or at least more of it than lint accepts."""
    try:
        if file == _DASH:
            return sys.stdin.buffer.read(MAX_STREAM_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MAX_STREAM_BYTES + 1)
    except OSError as error:
        refuse(f"cannot read {file if file != _DASH else _STDIN}: {error.strerror}")
