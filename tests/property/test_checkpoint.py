"""Whatever the files of a model say, `ftc model add` writes an option that composes, or says in lines what is wrong."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ftc.checkpoint.files import Problem
from ftc.checkpoint.option import Option, Wanted, make

KEYS = (
    *(
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
    ),
    *("vocab_size", "max_position_embeddings", "num_experts", "num_experts_per_tok", "moe_intermediate_size"),
    *("layer_types", "linear_num_value_heads", "tie_word_embeddings", "text_config", "vision_config", "model_type"),
    *("quantization_config", "quant_method", "bits", "auto_map", "transformers_version", "qk_nope_head_dim"),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.sampled_from([2**31, 10**400, 1.5, float("inf"), float("nan"), "gptq", "5.6.0", "qwen3", "linear_attention"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
CONFIGS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=20)
NAMES = st.sampled_from(
    ["model.safetensors", "a" * 300 + ".safetensors", "a\0.safetensors", "../x", "\ud800.safetensors"]
)
HEADERS = st.dictionaries(
    st.sampled_from(["lm_head.weight", "a.qweight", "visual.a", "b.scales", "c.q_norm.weight"]),
    VALUES
    | st.fixed_dictionaries({"dtype": VALUES | st.just("I32"), "shape": st.lists(st.integers(-1, 9), max_size=3)}),
    max_size=4,
)


def made(files: dict[str, bytes]) -> Option | list[Problem]:
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        return make(Path(directory), Wanted(id="a", template="qwen3", path="/a", on_hub=False, given={}))


@settings(max_examples=150, deadline=None)
@given(CONFIGS, HEADERS, st.none() | st.dictionaries(st.text(max_size=3), NAMES | st.integers(), max_size=2))
def test_no_file_breaks_the_command(config: Any, header: Any, places: Any) -> None:
    text = json.dumps(header).encode()
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": struct.pack("<Q", len(text)) + text}
    if places is not None:
        index = {"weight_map": places, "metadata": {"total_size": header.get("a.qweight")}}
        files["model.safetensors.index.json"] = json.dumps(index).encode()
    found = made(files)
    assert isinstance(found, Option) or (found and all(isinstance(one, Problem) for one in found))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_no_bytes_break_the_command(config: bytes, weights: bytes) -> None:
    assert isinstance(made({"config.json": config, "model.safetensors": weights}), list)
