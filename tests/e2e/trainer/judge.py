"""Run LLaMA-Factory's parser on training arguments: `python -m e2e.trainer.judge < cases.json`, in its environment.

A case is {"train": {…}, "distributed": true, "run": false}: the arguments, whether there is a process group, and
whether to start the training, not only the parser. The answer is a JSON list: null or the exception for each case.

Each case runs in a forked process that has all modules imported. GPU, process group and optional packages are replaced,
so that only the arguments matter.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from e2e.trainer.cases import answered


def judge(case: dict[str, Any]) -> None:
    """Run the trainer, and let it raise."""
    parser = importlib.import_module("llamafactory.hparams.parser")
    arguments = importlib.import_module("llamafactory.hparams.training_args").TrainingArguments
    if case["distributed"]:
        mode = importlib.import_module("transformers.training_args").ParallelMode.DISTRIBUTED
        arguments.parallel_mode = property(lambda _: mode)
    vars(parser)["is_torch_bf16_gpu_available"] = lambda: True
    if case["run"]:
        importlib.import_module("llamafactory.train.tuner").run_exp(case["train"])
    else:
        parser.get_train_args(case["train"])


def main() -> None:
    """Answer the cases on standard input."""
    cases = json.load(sys.stdin)
    tried = any(case["run"] for case in cases)
    answers = answered(cases, judge, "llamafactory.train.tuner", pretend=not tried)
    json.dump([answer.error for answer in answers], sys.stdout)


if __name__ == "__main__":
    main()
