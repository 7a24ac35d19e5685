"""The base model and the training data."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import Json, Positive, Spec, Text, Version, whole
from ftc.spec.source import Source

DatasetName = Annotated[str, Meta(pattern=whole(r"[^\s,]+"), description="A key of dataset_info.json.")]


Count = Annotated[int, Meta(ge=1, le=10**13, description="A number of parameters.")]


class Experts(Spec, frozen=True):
    """The experts of a mixture, which replace the feed-forward block of a layer; a token uses `per_token` of them."""

    count: Positive
    per_token: Positive
    intermediate_size: Positive


class Architecture(Spec, frozen=True):
    """The sizes of a model from its config.json; they determine the device memory of a training.

    `parameters` counts all loaded weights, including the `vision_parameters` of a vision tower and its projector.
    `kv_heads` are the heads of keys and values (num_key_value_heads), `head_size` the width of one (head_dim).
    `qk_norm` says that queries and keys are normalized before the attention. `context_length` is in tokens.
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
    """A base model; `template` is LLaMA-Factory's name of its chat template.

    Without `architecture` there is no estimate of its memory. `transformers` is the first release that supports the
    model, null if all known releases support it or the model's repository has its own code. `gated` says that the hub
    lets only accounts download it that have accepted its license.
    """

    id: Text
    template: Text
    source: Source
    gated: bool = False
    arguments: Json = {}
    architecture: Architecture | None = None
    transformers: Version | None = None


class Dataset(Spec, frozen=True):
    """Training data in a format that LLaMA-Factory reads.

    `id` is its name on a hub, or any name. `info` describes each of `names` like dataset_info.json, with file names
    relative to the source; without it the source's dataset_info.json is used.
    """

    id: Text
    names: Annotated[tuple[DatasetName, ...], Meta(min_length=1)]
    source: Source
    info: dict[str, Json] | None = None
    rows: Annotated[
        dict[DatasetName, Positive],
        Meta(description="The number of rows of each of `names`, if known; `ftc plan` computes the steps from it."),
    ] = {}
    arguments: Json = {}
