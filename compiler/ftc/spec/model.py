"""The model that is tuned and the data that it is tuned on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ftc.spec.base import Json, Spec, Text, whole
from ftc.spec.source import Source

DatasetName = Annotated[str, Meta(pattern=whole(r"[^\s,]+"), description="A key of dataset_info.json.")]


class Model(Spec, frozen=True):
    """A base model; `template` is the name that LLaMA-Factory gives its chat template."""

    id: Text
    template: Text
    source: Source
    arguments: Json = {}


class Dataset(Spec, frozen=True):
    """Training data in a format that LLaMA-Factory reads.

    `id` is its name on a hub, or the name that people give it. `info` describes each of `names` as dataset_info.json
    does, with file names relative to the source; without it the source's own dataset_info.json is used.
    """

    id: Text
    names: Annotated[tuple[DatasetName, ...], Meta(min_length=1)]
    source: Source
    info: dict[str, Json] | None = None
    arguments: Json = {}
