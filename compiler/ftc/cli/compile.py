"""`ftc compile`."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from ftc.api.runs import compile as compile_
from ftc.cli.options import Place, Reporting, cannot_write, configuration, refusals, report, reporting, say
from ftc.driver import ALL_TARGETS, Request
from ftc.targets import TARGETS

if TYPE_CHECKING:
    from ftc.api.runs import Compiled


_TARGETS_HELP = "  ".join(f"{target.name}: {target.help}." for target in TARGETS.values())


@click.command("compile")
@configuration
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    type=click.Choice(list(TARGETS)),
    help=f"The target to emit, volcano by default.  {_TARGETS_HELP}",
)
@click.option(
    "-o",
    "--output",
    "--output-dir",
    "output",
    type=Place(path_type=Path),
    metavar="DIR|FILE|-",
    help="Write every artifact into DIR instead of printing one: the resolved spec, the manifests, train.yaml, …; "
    "with naming=fixed also a kustomization.yaml.  FILE.yaml, FILE.json: only the one to print.  -: stdout.",
)
@click.option(
    "-m",
    "--matrix",
    is_flag=True,
    help="Compile every combination of the overrides that give several values, a=1,2, each into a directory in DIR, "
    "and all manifests into DIR/manifests, for `kubectl create -f`. A refused combination does not stop the others, "
    "but the exit code is 1.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Compile a matrix in N processes. By default a large one uses every core that ftc may use.",
)
@reporting
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    overrides: tuple[str, ...],
    config_dirs: tuple[Path, ...],
    config_name: str,
    targets: tuple[str, ...],
    output: Path | None,
    matrix: bool,  # noqa: FBT001 - click passes it by name
    jobs: int | None,
    reporting: Reporting,
) -> None:
    """Compile a run to a manifest on stdout.

    OVERRIDE is group=option (see `ftc list`) or key.path=value (see `ftc show`). Diagnostics go to stderr in every
    format. If there is an error, nothing is written, and the exit code is 1.

    \b
      ftc compile
      ftc compile hardware=ascend launcher=torchrun nodes=2 devices=8 | kubectl create -f -
      ftc compile model=qwen3-8b train.learning_rate=2.0e-5 train.num_train_epochs=1.0
      ftc compile source@model.source=git model.source.url=https://git.example.com/models/Qwen3-0.6B
      ftc compile launcher=command 'launcher.command=[python,train.py]' image=registry.example.com/vendor:1.0
      ftc compile -t llamafactory
      ftc compile --config-dir conf -c my-run -o build/my-run
      ftc compile -t job -o job.yaml
      ftc compile -m hardware=ascend,h800 launcher=torchrun,accelerate nodes=1,2,4 devices=8 -o build/matrix
    """
    place, single = resolved(output, targets, matrix=matrix, jobs=jobs)
    chosen = targets or ALL_TARGETS
    if matrix and place is not None:
        from ftc.cli.matrix import run  # noqa: PLC0415 - a usual compile has one run

        request = Request(overrides, config_dirs, config_name, chosen, reporting.ignore, reporting.strict)
        run(request, place, jobs, reporting)
        return
    _, ignore, strict = reporting
    with refusals(reporting):
        made = compile_(
            *overrides, config_name=config_name, config_dirs=config_dirs, targets=chosen, ignore=ignore, strict=strict
        )
    report(made.findings, reporting)
    if place is None:
        click.echo(made.text.encode(), nl=False)
        return
    if single:
        write(place, made.text)
    told = [f"ftc: wrote {place}"] if single else _write(made, place, chosen)
    for line in () if reporting.is_document else told:
        say(line, err=True)


def _write(made: Compiled, directory: Path, targets: tuple[str, ...]) -> list[str]:
    """Write the artifacts, and return what to report."""
    try:
        with refusals(Reporting()):
            files, removed = made.write(directory)
    except OSError as error:
        cannot_write(directory, error)
    wrote = f"ftc: wrote {', '.join(files)} to {directory}"
    gone = [f"ftc: removed {', '.join(removed)}, {_why_gone(removed, targets)}"] if removed else []
    return [wrote, *gone]


def _why_gone(stale: tuple[str, ...], targets: tuple[str, ...]) -> str:
    """Explain a removal: a directory holds one compile, which removes the files of another target."""
    others = [name for name, target in TARGETS.items() if target.file in stale]
    if not others:
        return "which this run does not have"
    return f"from the previous compile: {' '.join(f'-t {name}' for name in (*others, *targets))} writes all of them"


_STDOUT = Path("-")
_YAML, _JSON = (".yaml", ".yml"), ".json"


def resolved(
    output: Path | None, targets: tuple[str, ...], *, matrix: bool, jobs: int | None
) -> tuple[Path | None, bool]:
    """The place to write to, None for stdout, and whether it is a file for one artifact; refuse what does not fit."""
    place = None if output == _STDOUT else output
    target = (targets or ALL_TARGETS)[0]
    single = place is not None and _is_file(place, target)
    if matrix and (place is None or single):
        raise click.UsageError("-m writes directories: give -o DIR")
    if jobs is not None and not matrix:
        raise click.UsageError("-j is for the runs of a matrix: give -m")
    if (place is None or single) and len(targets) > 1:
        raise click.UsageError(f"only one target can go to {place or 'stdout'}: give -t once, or -o DIR")
    own = TARGETS[target].file or "train.yaml"
    if place is not None and single and place.suffix in (*_YAML, _JSON) and Path(own).suffix not in _YAML:
        raise click.UsageError(f"-t {target} makes {own}, which is not YAML: give -o {own}")
    if place is not None and not single and place.is_file():
        raise click.UsageError(f"{place} is a file: give a directory, or a name that ends in .yaml or .json")
    return place, single


def _is_file(output: Path, target: str) -> bool:
    own = TARGETS[target].file
    named_like_it = own is not None and (output.name == own or output.suffix == Path(own).suffix != "")
    return not output.is_dir() and (output.suffix in (*_YAML, _JSON) or named_like_it)


def write(output: Path, text: str) -> None:
    """Write the artifact, by rename; an existing file is replaced."""
    content = _as_json(text) if output.suffix == _JSON else text
    place = Path(os.path.realpath(output))
    unfinished = place.with_name(f".{place.name}.ftc-unfinished")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(content, encoding="utf-8", newline="\n")
        unfinished.replace(place)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        cannot_write(output, error)


def _as_json(text: str) -> str:
    """One document as it is, several objects as a List, which kubectl reads."""
    documents = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    if len(documents) == 1:
        return f"{json.dumps(documents[0], indent=2)}\n"
    if not all("kind" in document for document in documents):
        raise click.UsageError(f"JSON has one document, and this target makes {len(documents)}: give -o FILE.yaml")
    return f"{json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': documents}, indent=2)}\n"
