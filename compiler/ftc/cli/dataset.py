"""`ftc dataset`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ftc.cli.options import Place, Reporting, configuration, counted, data_format, refusals, report, say
from ftc.diagnostics.model import Severity
from ftc.diagnostics.printable import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftc.api.datasets import CheckedDataset
    from ftc.spec.job import JobSpec

_SHIPPED = "config"
_STAGES = ("sft", "pt", "rm", "kto", "ppo")
_BAD = "{!r} does not exist; an override has the form group=option or key.path=value"


@click.group("dataset")
def command() -> None:
    """Check the rows of a dataset before a run is queued, and describe it for a hub."""


@command.command("check")
@configuration
@click.option("--stage", type=click.Choice(_STAGES), help="The stage, by default the one that the columns suggest.")
@click.option(
    "--tokenizer",
    type=Place(exists=True, path_type=Path),
    metavar="PATH",
    help="tokenizer.json or its directory, to count tokens; needs the Python package tokenizers.",
)
@data_format
def check(  # noqa: PLR0913 - click hands over each option
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    stage: str | None,
    tokenizer: Path | None,
    *,
    is_json: bool,
) -> None:
    """Say which rows the trainer drops and on which it fails: `ftc dataset check PATH`, overrides, or both.

    PATH is a file, or a directory with a dataset_info.json. Overrides describe a run: its datasets are checked as the
    run reads them, the first in PATH, others in the directories of their sources; a note names those that are not
    here. The verdict is that of LLaMA-Factory's own loader, but the check needs neither it nor torch. The findings go
    to stdout; the exit code is 1 if the training would fail.

    \b
      ftc dataset check data.jsonl
      ftc dataset check data/ --stage pt
      ftc dataset check my-clone dataset=identity-alauda devices=8
    """
    from ftc.api import datasets  # noqa: PLC0415 - Hydra, which `--help` need not load

    path, words = _path(overrides)
    with refusals(Reporting()):
        if path is not None and not words and config_name == _SHIPPED:
            spec, found = None, datasets.check_files(path, stage=stage, tokenizer=tokenizer)
        elif stage is not None:
            raise click.UsageError("--stage is for a path alone: the run's method has the stage")
        else:
            spec, found = datasets.check_spec(path, words, config_name, config_dirs, tokenizer)
    if is_json:
        click.echo(as_json([_data(dataset) for dataset in found]))
    else:
        report([one for dataset in found for one in dataset.findings], err=False)
        summary = [line for dataset in found for line in _summary(dataset)]
        for line in (*summary, *(_steps(spec, found) if spec else ())):
            say(line)
    if any(dataset.has_errors for dataset in found):
        sys.exit(1)


@command.command("card")
@configuration
def write_card(overrides: tuple[str, ...], config_dirs: tuple[Path, ...], config_name: str) -> None:
    """Print the front matter of README.md for a dataset: `ftc dataset card PATH`, with overrides for its description.

    It has the task, the size and the files of each dataset, from which a hub makes the page and the viewer. The license
    and the language are not in the data: add them. If the rows have an error, nothing is printed, and the exit code is
    1.

    \b
      ftc dataset card data/ > data/README.md
      ftc dataset card my-clone dataset=identity-alauda
    """
    from ftc.api import datasets  # noqa: PLC0415 - Hydra, which `--help` need not load

    path, words = _path(overrides)
    if path is None:
        raise click.UsageError("give the directory of the dataset, or its file, before the overrides")
    info: dict[str, Any] | None = None
    with refusals(Reporting()):
        if words or config_name != _SHIPPED:
            spec, found = datasets.check_spec(path, words, config_name, config_dirs, None)
            info, found = _in_path(spec, found)
        else:
            found = datasets.check_files(path)
    report([one for dataset in found for one in dataset.findings if one.severity == Severity.ERROR])
    if any(dataset.has_errors for dataset in found):
        sys.exit(1)
    with refusals(Reporting()):
        text = datasets.card(path, found, info)
    click.echo(text, nl=False)


def _in_path(spec: JobSpec, found: Sequence[CheckedDataset]) -> tuple[dict[str, Any] | None, list[CheckedDataset]]:
    """The descriptions and the datasets of the source of which PATH is a copy."""
    parts = [part for part in spec.dataset.parts.values() if part.source == spec.dataset.source] if spec.dataset else []
    used = {name for part in parts for name in part.used}
    described = [part.info for part in parts if part.info is not None]
    info = {name: entry for one in described for name, entry in one.items()} if described else None
    return info, [one for one in found if one.name in used]


def _data(dataset: CheckedDataset) -> dict[str, Any]:
    from ftc.diagnostics.formats import objects  # noqa: PLC0415 - one of two forms

    return {**vars(dataset), "findings": objects(dataset.findings)}


def _path(words: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """The path, which is the first word, and the overrides."""
    if not words or "=" in words[0]:
        return None, tuple(words)
    path = Path(words[0])
    if not words[0] or not path.exists():
        raise click.UsageError(_BAD.format(words[0]))
    return path, tuple(words[1:])


def _summary(dataset: CheckedDataset) -> Iterator[str]:
    for code, count in dataset.more.items():
        yield f"dataset {dataset.name}: {count} more findings of {code}"
    if dataset.rows:
        used = f"{dataset.kept} of {counted(dataset.rows, 'row')} used in stage {dataset.stage}"
        yield f"dataset {dataset.name}: {used}, {counted(len(dataset.files), 'file')}"
    if dataset.tokens:
        known = dataset.tokens
        yield f"tokens per row: {known['median']} (median), {known['most']} at most, in the first {known['rows']} rows"


def _steps(spec: JobSpec, found: Sequence[CheckedDataset]) -> Iterator[str]:
    """The steps of an epoch, if the rows of all training data are known."""
    from ftc.spec.model import names  # noqa: PLC0415 - only for a run
    from ftc.summary.build import steps_per_epoch  # noqa: PLC0415 - the same

    kept = {one.name: one.kept for one in found if one.rows and not one.has_errors}
    trained = names(spec.dataset.trained) if spec.dataset else ()
    if not kept.keys() >= set(trained):
        return
    rows = sum(kept[name] for name in trained)
    known = steps_per_epoch(spec, rows)
    if rows and known:
        yield f"{counted(rows, 'row')}: {counted(known, 'step')} per epoch"
