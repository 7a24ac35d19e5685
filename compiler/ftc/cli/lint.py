"""`ftc lint`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ftc.cli.options import (
    Place,
    Reporting,
    counted,
    not_empty,
    refusals,
    refuse,
    report,
    reporting_with_data,
    say,
    totals,
)
from ftc.output_schemas import kubernetes_versions, volcano_versions
from ftc.source import MAX_STREAM_BYTES

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
@reporting_with_data
def command(files: tuple[Path, ...], reporting: Reporting, **versions: str | None) -> None:
    """Find mistakes in existing manifests: VolcanoJobs, Jobs, LLaMA-Factory's YAML.

    FILE is a file, a directory (all .yaml, .yml and .json files below it), or - for stdin. Embedded scripts are checked
    too. The files are checked together: a Service, a claim, a ConfigMap, a dataset_info.json or a configuration of
    DeepSpeed in one of them is known to the others. A training is checked against the release that the image names, or
    the newest one that ftc knows. The findings go to stdout, their number to stderr; the exit code is 1 if one of them
    is an error.

    \b
      ftc lint vcjob.yaml
      ftc lint job.yaml service.yaml
      ftc lint --llamafactory 0.9.3 train.yaml ds_z3_config.json data/dataset_info.json
      ftc lint --format github deploy/
      kubectl get vcjob -o yaml | ftc lint -
    """
    from ftc.api.manifests import lint  # noqa: PLC0415 - the shell's grammar, which `--help` need not load

    _, ignore, strict = reporting
    try:
        texts = {_STDIN: sys.stdin.buffer.read(MAX_STREAM_BYTES + 1)} if _DASH in files else {}
        named = [file for file in files if file != _DASH]
        with refusals(reporting):
            found = lint(*named, texts=texts, ignore=ignore, strict=strict, **versions)
    except OSError as error:
        refuse(f"cannot read {error.filename or _STDIN}: {error.strerror}")
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    report(found.findings, reporting, found.texts, err=False)
    if reporting.format == "text":
        say(f"ftc: {totals(found.findings) or 'no findings'} in {counted(len(found.files), 'file')}", err=True)
    if found.has_errors:
        sys.exit(1)
