"""The rows that a training and its evaluation read: `python -m e2e.trainer.held_out < files.json`, in the trainer.

The question is the content of train.yaml and of evaluate.yaml. The answer has the prompts of the rows of each: those
that it trains on and those that it holds out.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any


def read(given: dict[str, Any]) -> dict[str, list[str]]:
    """The prompts that LLaMA-Factory reads for the arguments."""
    data, hparams, loader = (
        importlib.import_module(f"llamafactory.{one}") for one in ("data", "hparams", "model.loader")
    )
    vars(importlib.import_module("llamafactory.hparams.parser"))["_check_extra_dependencies"] = lambda *_: None
    model_args, data_args, training_args, _, _ = hparams.get_train_args(given)
    tokenizer = loader.load_tokenizer(model_args)
    template = data.get_template_and_fix_tokenizer(tokenizer["tokenizer"], data_args)
    found = data.get_dataset(template, model_args, data_args, training_args, stage="sft", **tokenizer)
    decode = tokenizer["tokenizer"].decode
    return {
        name: sorted(decode(row["input_ids"]).partition("<|im_end|>")[0] for row in found[f"{name}_dataset"])
        for name in ("train", "eval")
    }


def main() -> None:
    """Answer the question on standard input."""
    with contextlib.redirect_stdout(sys.stderr):  # the trainer prints an example
        answer = {name: read(given) for name, given in json.load(sys.stdin).items()}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
