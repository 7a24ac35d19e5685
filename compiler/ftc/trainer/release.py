"""What a release of LLaMA-Factory takes, from schemas/llamafactory: the files are made of its own code."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from ftc.resources import directory

if TYPE_CHECKING:
    from pathlib import Path

    from ftc.spec.base import Json
    from ftc.spec.job import Trainer

_TEMPLATES = ".templates.json"


def pair(trainer: Trainer) -> str | None:
    """The exact pair of versions, where there is a schema for it."""
    return trainer.pair if _there(f"{trainer.pair}.json") else None


def known(llamafactory: str) -> str | None:
    """The pair of versions that stands for a release of LLaMA-Factory."""
    return next((name for name in pairs() if name.startswith(f"{llamafactory}+")), None)


@cache
def pairs() -> tuple[str, ...]:
    """The pairs that there are schemas for."""
    return tuple(sorted(file.name.removesuffix(_TEMPLATES) for file in _directory().glob(f"*{_TEMPLATES}")))


def arguments(name: str) -> Json:
    """What `train` and `export` of a pair accept, and the versions of transformers that it takes."""
    return _load(f"{name}.json")


def data(name: str) -> Json:
    """The templates, the models that they belong to, and the formats of datasets of a pair."""
    return _load(f"{name}{_TEMPLATES}")


def _directory() -> Path:
    return directory("schemas") / "llamafactory"


@cache
def _there(name: str) -> bool:
    return (_directory() / name).is_file()


@cache
def _load(name: str) -> Json:
    content: Json = json.loads((_directory() / name).read_bytes())
    return content
