"""Make a tiny Qwen3 with its own tokenizer: `python tiny_model.py DIRECTORY`, in the trainer's environment."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# Imported dynamically, because type checkers run without these packages.
torch, tokenizers, transformers = (importlib.import_module(name) for name in ("torch", "tokenizers", "transformers"))

# The text that the chat template of Qwen3 writes around messages and thoughts.
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
CORPUS = [f"question {n} answer {n} user assistant system helpful who are you I am made by" for n in range(100)]


def tokenizer(special: Sequence[str] = SPECIAL, **names: str) -> Any:
    """A byte-level tokenizer, trained on a few words."""
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = byte_level(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=450, special_tokens=list(special), initial_alphabet=byte_level.alphabet()
    )
    made.train_from_iterator(CORPUS, trainer)
    named = names or {"pad_token": SPECIAL[0], "eos_token": SPECIAL[2]}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=512, additional_special_tokens=list(special[1:]), **named
    )


def make(directory: Path) -> None:
    """Write the model and the tokenizer."""
    torch.manual_seed(0)
    words = tokenizer()
    config = transformers.Qwen3Config(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(directory)
    words.save_pretrained(directory)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
