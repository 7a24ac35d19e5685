"""Rules on adapters and exports: starting from an adapter, merging one, and quantized exports."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

ADAPTER = ("source@method.adapter=path", "method.adapter.path=/workspace/sft/output")
NEW_ADAPTER = (*ADAPTER, "train.create_new_adapter=true")
TEXTS = ("method.quantize={bits: 4, dataset: /workspace/texts.jsonl}",)
PAIRS = (
    Pair("FTC105", ("method=full-sft", "method.merge={export_size: 4}"), ("method=full-sft",), "method.merge"),
    Pair(
        "FTC105", ("method.finetuning_type=oft",), ("method.finetuning_type=oft", "method.merge=null"), "method.merge"
    ),
    Pair("FTC110", (*NEW_ADAPTER, "method.merge=null"), (*ADAPTER, "method.merge=null"), "method.merge"),
    Pair(
        "FTC273",
        "source@method.adapter=run method.adapter.run=sft method.adapter.result=merged",
        "source@method.adapter=run method.adapter.run=sft",
        "method.adapter.result",
    ),
    Pair("FTC111", (*ADAPTER, "method.adapter.path='/workspace/a,b'"), ADAPTER, "method.adapter"),
    Pair(
        "FTC109",
        ("method.quantize={bits: 4, dataset: /workspace/texts.md}",),
        ("method.quantize={bits: 4, dataset: allenai/c4}",),
        "method.quantize.dataset",
    ),
    Pair("FTC108", (*TEXTS, "method=oft-sft"), (*TEXTS, "method=full-sft"), "method.quantize"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
