"""The versions of the trainer in images that are published by others than LLaMA-Factory, from schemas/images.json."""

from __future__ import annotations

import json
from functools import cache

from ftc.resources import directory
from ftc.spec.job import Trainer


def contained(image: str) -> Trainer | None:
    """The versions in an image, whatever registry it is pulled from; None if they are unknown."""
    tagged = image.partition("@")[0]
    pair = next((pair for name, pair in _known().items() if tagged == name or tagged.endswith(f"/{name}")), None)
    return Trainer(*pair.split("+")) if pair else None


@cache
def _known() -> dict[str, str]:
    found: dict[str, str] = json.loads((directory("schemas") / "images.json").read_bytes())
    return found
