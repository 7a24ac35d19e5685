"""`ftc compile -o FILE`: one artifact in one file, as YAML or JSON."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import click
import yaml

from ftc.cli.options import cannot_write
from ftc.driver import ALL_TARGETS
from ftc.targets import TARGETS

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
