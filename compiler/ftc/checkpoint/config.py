"""Read the sizes of a model from its config.json: `architecture` of a model option.

A file states only what differs from the defaults of transformers' class, so a missing size is asked for, not guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftc.checkpoint.files import Problem, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftc.checkpoint.weights import Weights
    from ftc.spec.base import Json

CONFIG = "config.json"
_MOST = 2**31 - 1
# A model with a tower has the sizes of its decoder in one of these.
_DECODERS = ("text_config", "llm_config", "language_config", "thinker_config")
# The names of a size in the configuration classes of transformers, and of models with their own code.
_NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner"),
    "layers": ("num_hidden_layers", "num_layers", "n_layer"),
    "attention_heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads", "multi_query_group_num"),
    "head_size": ("head_dim", "kv_channels"),
    "vocabulary": ("vocab_size", "padded_vocab_size"),
    "context_length": ("max_position_embeddings", "seq_length", "max_sequence_length", "n_positions"),
}
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token", "moe_topk", "top_k_experts")
_EXPERT_SIZE = ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
_LINEAR = {
    "heads": "linear_num_value_heads",
    "key_size": "linear_key_head_dim",
    "value_size": "linear_value_head_dim",
}
# LLaMA-Factory keeps these in a training (model/model_utils/quantization.py); it dequantizes FP8 and MXFP4.
_KEPT = ("gptq", "awq", "aqlm", "bitsandbytes")
_DEQUANTIZED = ("fp8", "mxfp4")
_BITS_OF = {"aqlm": 2, "mxfp4": 4}


class Quantization(msgspec.Struct, frozen=True):
    """The method of a quantized checkpoint, the bits of a stored weight, and whether it stays so in a training."""

    method: str
    bits: int | None
    kept: bool


class Reader:
    """The values of a config.json by key; mistakes in them collect in `problems`."""

    def __init__(self, config: Json, given: Mapping[str, int]) -> None:
        self.config = config
        self.given = given
        self.path, self.decoder = _decoder(config)
        self.problems: list[Problem] = []

    def sizes(self) -> dict[str, int]:
        """The sizes of the decoder, without those that are missing or wrong."""
        found = {name: self.given.get(name) or self._first(keys) for name, keys in _NAMES.items()}
        experts = self._first(_EXPERTS)
        found["kv_heads"] = found["kv_heads"] or found["attention_heads"]
        found["head_size"] = found["head_size"] or self._per_head(found)
        if experts:
            found["intermediate_size"] = found["intermediate_size"] or self._first(_EXPERT_SIZE)
        for name, value in found.items():
            if value is None and not any(problem.key in self._keys(name) for problem in self.problems):
                self._missing(name)
        return {name: value for name, value in found.items() if value is not None}

    def experts(self) -> dict[str, int] | None:
        """The experts of a mixture."""
        count = self._first(_EXPERTS)
        if not count or count == 1:
            return None
        found = {"count": count, "per_token": self._first(_PER_TOKEN), "intermediate_size": self._first(_EXPERT_SIZE)}
        for name, keys in (("per_token", _PER_TOKEN), ("intermediate_size", _EXPERT_SIZE)):
            if found[name] is None:
                self._problem(keys[0], f"is missing, but {self._key(_EXPERTS)} is {count}")
        return {name: value for name, value in found.items() if value is not None}

    def linear_attention(self) -> dict[str, int] | None:
        """The layers with linear attention of a hybrid model."""
        types = self.decoder.get("layer_types")
        count = types.count("linear_attention") if isinstance(types, list) else 0
        if not count:
            return None
        found = {name: self._number(key) for name, key in _LINEAR.items()}
        for name, key in _LINEAR.items():
            if found[name] is None:
                self._problem(key, "is missing, but layer_types has linear_attention")
        return {"layers": count, **{name: value for name, value in found.items() if value is not None}}

    def tied(self, weights: Weights) -> bool:
        """Whether the embeddings are tied: they are if no output layer is stored; else the file says it."""
        said = [place.get("tie_word_embeddings") for place in (self.decoder, self.config)]
        return weights.has_output is False or next((value for value in said if isinstance(value, bool)), False)

    def modalities(self) -> list[str]:
        """The inputs of the model, by its towers and by the tokens that are replaced by an input."""
        places = [self.config, *(value for value in self.config.values() if isinstance(value, dict))]
        keys = {key for place in places for key, value in place.items() if value is not None}
        image = keys & {"vision_config", "visual", "image_token_id", "image_token_index"}
        video = keys & {"video_token_id", "video_token_index"}
        audio = keys & {"audio_config", "audio_token_id", "audio_token_index"}
        inputs = (("image", image), ("video", video), ("audio", audio))
        return ["text", *(name for name, found in inputs if found)]

    def quantization(self) -> Quantization | None:
        """How the checkpoint is quantized."""
        value = self.config.get("quantization_config", self.decoder.get("quantization_config"))
        if value is None:
            return None
        method = value.get("quant_method") if isinstance(value, dict) else None
        if method not in (*_KEPT, *_DEQUANTIZED):
            self._problem(
                "quantization_config", f"has the quant_method {shown(method)}, which LLaMA-Factory cannot load"
            )
            return None
        bits = value.get("bits") or _BITS_OF.get(method)
        if method == "bitsandbytes":
            bits = 4 if value.get("load_in_4bit") is True else 8
        if method in _KEPT and bits not in (2, 3, 4, 8):
            self._problem("quantization_config", f"has {shown(bits)} bits, but {method} has 2, 3, 4 or 8")
            return None
        return Quantization(method, bits if type(bits) is int else None, method in _KEPT)

    def text(self, key: str) -> str:
        """A short text of the file, else the empty one."""
        value = self.config.get(key)
        return value if isinstance(value, str) and len(value) <= 100 and value.isprintable() else ""  # noqa: PLR2004

    def _per_head(self, found: Mapping[str, int | None]) -> int | None:
        nope, rope = self.decoder.get("qk_nope_head_dim"), self.decoder.get("qk_rope_head_dim")
        if type(nope) is int and type(rope) is int and 0 < nope + rope <= _MOST:
            return nope + rope
        hidden, heads = found["hidden_size"], found["attention_heads"]
        return hidden // heads or None if hidden and heads else None

    def _first(self, keys: tuple[str, ...]) -> int | None:
        key = self._key(keys)
        return self._number(key) if key else None

    def _key(self, keys: tuple[str, ...]) -> str:
        return next((key for key in keys if self.decoder.get(key) is not None), "")

    def _number(self, key: str) -> int | None:
        """A positive whole number; a list of one number per layer has the largest."""
        value: Any = self.decoder.get(key)
        if value is None:
            return None
        several = value if isinstance(value, list) and value else [value]
        if all(type(one) is int and 0 < one <= _MOST for one in several):
            return int(max(several))
        self._problem(key, f"is {shown(value)}, not a whole number from 1 to {_MOST}")
        return None

    def _keys(self, name: str) -> set[str]:
        return {f"{self.path}{key}" for key in _NAMES[name]}

    def _missing(self, name: str) -> None:
        help_ = f"write {name}=… after the directory; transformers shows the default of its class for this model"
        self.problems.append(Problem(CONFIG, f"{self.path}{_NAMES[name][0]}", "is missing", help_))

    def _problem(self, key: str, message: str) -> None:
        problem = Problem(CONFIG, f"{self.path}{key}", message)
        if problem not in self.problems:
            self.problems.append(problem)


def _decoder(config: Json) -> tuple[str, Json]:
    """The path to the sizes of the decoder, and the object there."""
    path, place = "", config
    for key in (*_DECODERS, "text_config"):
        inner = place.get(key)
        if isinstance(inner, dict):
            path, place = f"{path}{key}.", inner
    return path, place


SIZES = tuple(_NAMES)
