"""The model that is tuned and the data that it is tuned on."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import Json, Positive, Spec, Text, Version, whole
from ftc.spec.source import Source

DatasetName = Annotated[str, Meta(pattern=whole(r"[^\s,]+"), description="A key of dataset_info.json.")]


Count = Annotated[int, Meta(ge=1, le=10**13, description="A number of parameters.")]


class Experts(Spec, frozen=True):
    """The experts of a mixture in each layer, in place of its one feed-forward block; a token goes to `per_token`."""

    count: Positive
    per_token: Positive
    intermediate_size: Positive


class Architecture(Spec, frozen=True):
    """The sizes of a model, as its config.json has them; they say what a training needs of a device.

    `parameters` counts all that is loaded, with the `vision_parameters` of a tower and its projector.
    `kv_heads` are the heads of keys and values (num_key_value_heads), `head_size` the width of one (head_dim).
    `qk_norm` says that queries and keys are normalised before the attention. `context_length` is in tokens.
    """

    parameters: Count
    hidden_size: Positive
    intermediate_size: Positive
    layers: Positive
    attention_heads: Positive
    kv_heads: Positive
    head_size: Positive
    vocabulary: Positive
    context_length: Positive
    tied_embeddings: bool = False
    qk_norm: bool = False
    modalities: Annotated[tuple[Literal["text", "image", "video", "audio"], ...], Meta(min_length=1)] = ("text",)
    vision_parameters: Annotated[int, Meta(ge=0, le=10**13)] = 0
    experts: Experts | None = None


class Model(Spec, frozen=True):
    """A base model; `template` is the name that LLaMA-Factory gives its chat template.

    Without its `architecture` nothing is said of the memory that it needs. `transformers` is the first release that has
    code for it, null where all that are known here have it, or where the model brings its own.
    """

    id: Text
    template: Text
    source: Source
    arguments: Json = {}
    architecture: Architecture | None = None
    transformers: Version | None = None


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
