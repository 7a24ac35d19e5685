"""Suggestions of the words that a user may have meant."""

from __future__ import annotations

import pytest

from ftc.diagnostics.model import nearest

HARDWARE = ("a10", "a100-40gb", "a100-80gb", "h100", "t4", "v100")
ARGUMENTS = ("cutoff_len", "num_train_epochs", "per_device_train_batch_size", "ppo_epochs")


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("H100", HARDWARE, "did you mean 'h100'?"),
        ("A100", HARDWARE, "did you mean one of a100-40gb, a100-80gb?"),
        ("a100", HARDWARE, "did you mean one of a100-40gb, a100-80gb?"),
        ("Qwen/Qwen3-8B", ("qwen3-14b", "qwen3-8b"), "did you mean 'qwen3-8b'?"),
        ("epochs", ARGUMENTS, "did you mean one of num_train_epochs, ppo_epochs?"),
        ("batch_size", ARGUMENTS, "did you mean 'per_device_train_batch_size'?"),
        ("cutof_len", ARGUMENTS, "did you mean 'cutoff_len'?"),
        ("uctoff_len", ARGUMENTS, "did you mean 'cutoff_len'?"),
        ("", HARDWARE, ""),
        ("e", ARGUMENTS, ""),
    ],
)
def test_the_words_that_were_meant(word: str, known: tuple[str, ...], said: str) -> None:
    assert nearest(word, known) == said
