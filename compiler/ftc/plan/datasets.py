"""The datasets of a run, which LLaMA-Factory reads from one dataset_info.json and one directory of media."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.plan import fetch
from ftc.spec.source import FromHub
from ftc.trainer import arguments

if TYPE_CHECKING:
    from ftc.plan.types import Places
    from ftc.spec.base import Json
    from ftc.spec.job import Tuned
    from ftc.spec.model import Dataset, OneDataset

FILE = "dataset_info.json"
JOIN_SCRIPT = "join_datasets.py"
JOINED = "dataset-info"
"""The directory, below that of the run, of a file that is joined from those of several sources."""


def entries(tuned: Tuned, places: Places) -> dict[str, Json] | None:
    """The entries of the compiled file; None if the run does not have one."""
    dataset = tuned.dataset
    described = [one for one in dataset.parts.values() if one.info is not None]
    if not described and not joins(dataset, places):
        return None
    here = info_directory(dataset, places)
    found = [_entries(one, arguments.described(one.info or {}, tuned.method.stage), places, here) for one in described]
    return {name: entry for one in found for name, entry in one.items()}


def _entries(one: OneDataset, info: dict[str, Json], places: Places, here: str) -> dict[str, Json]:
    if isinstance(one.source, FromHub):
        return arguments.of_hub(info, one.source.repository)
    return arguments.dataset_info(info, fetch.directory(one.source, places), here)


def _staged(dataset: Dataset, places: Places) -> list[tuple[str, OneDataset]]:
    """The parts that are not downloaded by the trainer itself, each with its directory."""
    return [
        (fetch.directory(one.source, places), one)
        for one in dataset.parts.values()
        if not isinstance(one.source, FromHub)
    ]


def _listed(dataset: Dataset, places: Places) -> dict[str, tuple[str, ...]]:
    """The directories that have their own file, and the datasets that the run takes from each."""
    found: dict[str, tuple[str, ...]] = {}
    for where, one in _staged(dataset, places):
        if one.info is None:
            found[where] = (*found.get(where, ()), *one.used)
    return found


def joins(dataset: Dataset, places: Places) -> bool:
    """Whether each node joins the files of several sources before the training."""
    listed = _listed(dataset, places)
    described = any(one.info is not None for one in dataset.parts.values())
    return len(listed) + described > 1 and bool(listed)


def info_directory(dataset: Dataset, places: Places) -> str:
    """The directory of the file that the trainer reads."""
    if joins(dataset, places):
        return JOINED
    return next(iter(_listed(dataset, places)), places.files)


def media_directory(dataset: Dataset, places: Places) -> str | None:
    """The directory of images, videos and audio; None if it is that of the file."""
    listed = _listed(dataset, places)
    if listed and not joins(dataset, places):
        return None
    described = [(where, one.info) for where, one in _staged(dataset, places) if one.info is not None]
    with_media = [where for where, info in described if any(map(arguments.has_media, info.values()))]
    return next(iter((*with_media, *listed, *(where for where, _ in described))), None)


def join_command(dataset: Dataset, places: Places, media: str) -> tuple[str, ...]:
    """The command that joins the files; `media` is the directory in which the trainer looks for media."""
    listed = _listed(dataset, places)
    pairs = [word for where, names in listed.items() for word in (where, ",".join(dict.fromkeys(names)))]
    return ("python3", f"{places.files}/{JOIN_SCRIPT}", f"{places.files}/{FILE}", f"{JOINED}/{FILE}", media, *pairs)
