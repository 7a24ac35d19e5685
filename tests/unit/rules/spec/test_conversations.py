"""A chat template is checked after a training on conversations, and written only by its check."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

COMMAND = "launcher=command launcher.command=[python,train.py] image=registry.example.com/vendor:1.0"
PAIRS = (
    Pair("FTC281", f"chat_template_check=fail {COMMAND}", COMMAND, "chat_template_check"),
    Pair(
        "FTC281",
        "chat_template_check=warn method=full-pt dataset=wikitext-2",
        "chat_template_check=warn method=full-sft",
        "chat_template_check",
    ),
    Pair(
        "FTC282",
        "chat_template_write=true",
        "chat_template_write=true chat_template_check=fail",
        "chat_template_write",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_check_without_effect_is_refused(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_check_of_conversations_passes(pair: Pair) -> None:
    passes(pair)
