"""Make a Qwen3 of a given shape with random weights: `shaped_model.py DIRECTORY SHAPE`, in the trainer's environment.

SHAPE is model.architecture as JSON; the tokenizer is that of the tiny model.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from e2e.tiny_model import tokenizer

torch, transformers = (importlib.import_module(name) for name in ("torch", "transformers"))


def make(directory: Path, shape: dict[str, Any]) -> None:
    """Write the model in bf16 and the tokenizer."""
    words = tokenizer()
    words.model_max_length = shape["context_length"]
    config = transformers.Qwen3Config(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["hidden_size"],
        intermediate_size=shape["intermediate_size"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["attention_heads"],
        num_key_value_heads=shape["kv_heads"],
        head_dim=shape["head_size"],
        max_position_embeddings=shape["context_length"],
        tie_word_embeddings=shape["tied_embeddings"],
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        dtype=torch.bfloat16,
    )
    with torch.device("cuda"):
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    words.save_pretrained(directory)


if __name__ == "__main__":
    make(Path(sys.argv[1]), json.loads(sys.argv[2]))
