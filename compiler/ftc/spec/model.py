"""The base model and the training data."""

from typing import Annotated, Literal

from msgspec import Meta

from ftc.spec.base import Json, Positive, Spec, Text, Version, whole
from ftc.spec.source import ModelSource, Source

DatasetName = Annotated[str, Meta(pattern=whole(r"[^\s,]+"), description="A key of dataset_info.json.")]

DatasetKey = Annotated[
    str,
    Meta(
        pattern=whole(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
        max_length=40,
        description="Lower case letters, digits and '-'; it is a part of a container's name.",
    ),
]


Count = Annotated[int, Meta(ge=1, le=10**13, description="A number of parameters.")]


class Experts(Spec, frozen=True):
    """The experts of a mixture, which replace the feed-forward block of a layer."""

    count: Positive
    """The number of experts of a layer."""
    per_token: Positive
    """The number of experts that a token uses."""
    intermediate_size: Positive
    """The width of an expert's feed-forward block (moe_intermediate_size)."""


class LinearAttention(Spec, frozen=True):
    """The layers of a hybrid model that have linear attention (a gated delta rule) instead of softmax attention."""

    layers: Positive
    """The number of these layers (linear_attention in layer_types)."""
    heads: Positive
    """The number of heads of values (linear_num_value_heads)."""
    key_size: Positive
    """The width of a head of keys (linear_key_head_dim)."""
    value_size: Positive
    """The width of a head of values (linear_value_head_dim)."""


class Architecture(Spec, frozen=True):
    """The sizes of a model from its config.json; they determine the device memory of a training."""

    parameters: Count
    """The number of all loaded weights, including those of a vision tower and its projector."""
    hidden_size: Positive
    """The width of the model (hidden_size)."""
    intermediate_size: Positive
    """The width of the feed-forward block (intermediate_size)."""
    layers: Positive
    """The number of layers (num_hidden_layers)."""
    attention_heads: Positive
    """The number of attention heads (num_attention_heads)."""
    kv_heads: Positive
    """The number of heads of keys and values (num_key_value_heads)."""
    head_size: Positive
    """The width of an attention head (head_dim)."""
    vocabulary: Positive
    """The number of tokens of the vocabulary (vocab_size)."""
    context_length: Positive
    """The most tokens of a sequence (max_position_embeddings)."""
    tied_embeddings: bool = False
    """Whether the output layer has the weights of the embedding (tie_word_embeddings)."""
    qk_norm: bool = False
    """Whether queries and keys are normalized before the attention."""
    modalities: Annotated[tuple[Literal["text", "image", "video", "audio"], ...], Meta(min_length=1)] = ("text",)
    """The inputs that the model reads."""
    vision_parameters: Annotated[int, Meta(ge=0, le=10**13)] = 0
    """The number of weights of the vision tower and its projector."""
    experts: Experts | None = None
    """The experts of a mixture-of-experts model; null for a dense model."""
    linear_attention: LinearAttention | None = None
    """The layers with linear attention of a hybrid model; null if all have softmax attention."""
    quantized_bits: Literal[2, 3, 4, 8] | None = None
    """The bits of a weight in the layers of a quantized checkpoint that stays so in a training; null if it has 16."""


class Model(Spec, frozen=True):
    """A base model."""

    id: Text
    """The name of the model on a hub, or any name."""
    template: Text
    """LLaMA-Factory's name of the chat template."""
    source: ModelSource
    """Where the model comes from."""
    gated: bool = False
    """Whether the hub lets only accounts download it that have accepted its license."""
    license: Text | None = None
    """The license in the hub's words, such as apache-2.0, for README.md of a published result; null if unknown."""
    arguments: Json = {}
    """Arguments of LLaMA-Factory for this model."""
    architecture: Architecture | None = None
    """The sizes of the model, for the estimate of its memory; null makes no estimate."""
    transformers: Version | None = None
    """The first release of transformers that supports the model; null if all known releases do."""


class OneDataset(Spec, frozen=True, kw_only=True):
    """Rows from one source, in a format that LLaMA-Factory reads.

    File names in `info` are relative to the source.
    """

    id: Text | None = None
    """The name of the dataset on a hub, or any name; null if the source says where the files are."""
    names: tuple[DatasetName, ...] = ()
    """The datasets to train on: keys of `info`, or of dataset_info.json in the source; [] is all of `info`."""
    source: Source
    """Where the dataset comes from."""
    info: dict[str, Json] | None = None
    """The format of each dataset, like dataset_info.json; null uses dataset_info.json of the source."""
    rows: dict[DatasetName, Positive] = {}
    """The number of rows of each of `names`, if known; `ftc plan` computes the steps from it."""
    check: bool | None = None
    """Whether the pod checks the rows first; null: only with scripts=configmap, because the check is long."""
    arguments: Json = {}
    """Arguments of LLaMA-Factory for this dataset."""

    @property
    def used(self) -> tuple[str, ...]:
        """The datasets of the source that the run reads."""
        return self.names or tuple(self.info or ())


class Dataset(OneDataset, frozen=True, kw_only=True):
    """Training data in a format that LLaMA-Factory reads.

    File names in `info` are relative to the source. `more` and `evaluation` have their own sources.
    """

    more: dict[DatasetKey, OneDataset] = {}
    """Further training data, each with its own source: `- dataset@dataset.more.NAME: OPTION` in a defaults list."""
    evaluation: dict[DatasetKey, OneDataset] = {}
    """Data of the evaluation, each with its own source: `- dataset@dataset.evaluation.NAME: OPTION`."""

    @property
    def trained(self) -> dict[str, OneDataset]:
        """The parts of the training data by the names of their sources."""
        return {"dataset": self, **{f"dataset-{key}": one for key, one in self.more.items()}}

    @property
    def evaluated(self) -> dict[str, OneDataset]:
        """The data of the evaluation by the names of their sources."""
        return {f"evaluation-{key}": one for key, one in self.evaluation.items()}

    @property
    def parts(self) -> dict[str, OneDataset]:
        """All parts by the names of their sources."""
        return {**self.trained, **self.evaluated}


def names(parts: dict[str, OneDataset]) -> tuple[str, ...]:
    """The datasets that a run reads from some parts."""
    return tuple(name for one in parts.values() for name in one.used)
