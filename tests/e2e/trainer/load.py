"""The rows that LLaMA-Factory reads: `python -m e2e.trainer.load < files.json`, in its environment.

The input is a list of texts of train.yaml. The answer to each is the list of its converted rows.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from e2e.trainer.packages import pretend_packages
from e2e.trainer.parse import plain, pretend_accelerator


def rows(text: str) -> list[Any]:
    """The rows that a training would tokenize."""
    parser = importlib.import_module("llamafactory.hparams.parser")
    pretend_accelerator(parser, distributed=False)
    Path("train.yaml").write_text(text, encoding="utf-8")
    sys.argv = ["llamafactory-cli", "train.yaml"]
    model, data, training, tuning, _ = parser.get_train_args(parser.read_args())
    loader = importlib.import_module("llamafactory.data.loader")
    stage = {"dpo": "rm"}.get(tuning.stage, tuning.stage)
    found = vars(loader)["_get_merged_dataset"](data.dataset, model, data, training, stage)
    return [plain(dict(row)) for row in found]


def main() -> None:
    """Answer the files on standard input."""
    said, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as directory:
        pretend_packages(Path(directory))
        os.environ["HF_DATASETS_CACHE"] = f"{directory}/cache"
        os.chdir(directory)
        answers = [rows(text) for text in json.load(sys.stdin)]
    json.dump(answers, said)


if __name__ == "__main__":
    main()
