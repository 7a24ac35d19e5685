"""Rules on precision, attention and quantization."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

NO_BUG = "trainer.transformers=5.5.4"
PAIRS = (
    Pair(
        "FTC328",
        ("hardware=hygon-dcu", "train.bf16=true", "train.fp16=false"),
        ("hardware=hygon-dcu", "train.bf16=true", "train.fp16=false", "hardware.bf16=true"),
        "train.bf16",
    ),
    Pair("FTC330", ("train.bf16=false",), ("train.bf16=false", "train.fp16=true"), "train"),
    Pair("FTC330", ("train.bf16=false",), ("hardware=cpu", "train.bf16=false"), "train"),
    Pair("FTC331", ("hardware=a100-80gb", "train.fp8=true"), ("hardware=h100", "train.fp8=true"), "train.fp8"),
    Pair(
        "FTC332", ("hardware=t4", "train.flash_attn=fa2"), ("hardware=t4", "train.flash_attn=sdpa"), "train.flash_attn"
    ),
    Pair(
        "FTC332", ("hardware=v100", "train.flash_attn=fa2"), ("hardware=l40s", "train.flash_attn=fa2", NO_BUG), "train"
    ),
    Pair(
        "FTC332",
        ("hardware=ascend", "train.flash_attn=fa3"),
        ("hardware=ascend", "train.flash_attn=fa2", NO_BUG),
        "train",
    ),
    Pair(
        "FTC334",
        ("hardware=mi300x", "train.flash_attn=fa2"),
        ("hardware=mi300x", "train.flash_attn=fa2", "hardware.fa2=true", NO_BUG),
        "train.flash_attn",
    ),
    Pair(
        "FTC334",
        ("hardware=ascend", "train.flash_attn=fa2", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"),
        ("hardware=ascend", "train.flash_attn=fa2", NO_BUG),
        "train.flash_attn",
    ),
    Pair("FTC335", ("hardware=ascend", "train.quantization_bit=4"), ("train.quantization_bit=4",), "train"),
    Pair(
        "FTC335",
        ("hardware=metax-c500", "train.quantization_bit=8"),
        ("hardware=metax-c500", "train.quantization_bit=8", "train.quantization_method=hqq"),
        "train.quantization_bit",
    ),
    Pair(
        "FTC336", ("hardware=cpu", "train.quantization_bit=4"), ("hardware=mi210", "train.quantization_bit=4"), "train"
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
