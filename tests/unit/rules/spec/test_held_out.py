"""A result is evaluated on rows that the training did not read, by a stage and on a device that can."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, pages, passes, refuses

COMMAND = "launcher=command launcher.command=[python,train.py] image=registry.example.com/vendor:1.0"
SPLIT = "'evaluate={}' train.val_size=0.1"
OLD = "trainer.llamafactory=0.9.3 trainer.transformers=4.51.1"
OFT = "method.finetuning_type=oft method.merge=null"
# 32.8e9 weights in 16 bits are 61 GiB, in 4 bits 15 GiB.
LARGE = "hardware=a100-40gb model=qwen3-32b method=qlora-sft"
PAIRS = (
    Pair("FTC283", f"'evaluate={{}}' {COMMAND}", COMMAND, "evaluate"),
    Pair("FTC283", f"{SPLIT} method=lora-dpo dataset=dpo-mix-en", f"{SPLIT} method=full-sft", "evaluate"),
    Pair("FTC283", f"{SPLIT} {OFT}", f"train.val_size=0.1 {OFT}", "evaluate"),
    Pair("FTC284", "'evaluate={max_new_tokens: 9}'", SPLIT, "evaluate"),
    Pair("FTC284", "'evaluate={}' train.val_size=0.0", "'evaluate={}' train.eval_dataset=alpaca", "evaluate"),
    Pair(
        "FTC284",
        "'evaluate={}' train.val_size=9 train.streaming=true train.max_steps=9 train.dataloader_num_workers=1",
        "'evaluate={}' train.val_size=9 train.max_steps=9",
        "evaluate",
    ),
    Pair("FTC284", f"{SPLIT} train.tokenized_path=/workspace/t", f"{SPLIT} train.tokenized_path=null", "evaluate"),
    Pair("FTC284", f"{SPLIT} {OLD}", f"'evaluate={{}}' train.eval_dataset=alpaca {OLD}", "evaluate"),
    Pair(
        "FTC284",
        "'evaluate={max_samples: 9}' train.val_size=0.1",
        "'evaluate={max_samples: 9}' train.eval_dataset=alpaca",
        "evaluate.max_samples",
    ),
    Pair("FTC285", f"{SPLIT} {LARGE}", f"{SPLIT} {LARGE} method.merge=null", "evaluate"),
    Pair("FTC285", f"{SPLIT} {LARGE}", f"{SPLIT} {LARGE} hardware.device.memory_mib=81920", "evaluate"),
    Pair("FTC403", "'evaluate={output_dir: a}' train.val_size=9", SPLIT, "evaluate.output_dir"),
    Pair("FTC403", "'evaluate={val_size: 9}' train.val_size=9", SPLIT, "evaluate.val_size"),
    Pair("FTC403", "'evaluate={do_predict: true}' train.val_size=9", SPLIT, "evaluate.do_predict"),
    Pair("FTC404", "'evaluate={max_new_tokns: 9}' train.val_size=9", SPLIT, "evaluate.max_new_tokns"),
    Pair("FTC404", "'evaluate={max_new_tokens: many}' train.val_size=9", SPLIT, "evaluate.max_new_tokens"),
)
ALL = [*PAIRS, *(pair for pair in pages(PAIRS) if pair.code[:5] == "FTC28")]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_evaluation_that_cannot_work_is_refused(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_an_evaluation_on_its_own_rows_passes(pair: Pair) -> None:
    passes(pair)
