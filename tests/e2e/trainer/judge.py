"""Ask LLaMA-Factory what it says to training arguments: `python -m e2e.trainer.judge < cases.json`, in its environment.

A case is {"train": {…}, "distributed": true, "run": false}: the arguments, whether there is a process group, and
whether the training is tried, not its parser alone. For each the answer is null or what was raised, as a JSON list.

Each case is a process of its own, which begins with all imported. What a parser would ask of a GPU, a process group or
a further package is stood in for, so that the arguments alone are judged.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# Looked for by name and version only; none of them is used by the parser.
PACKAGES = {
    "deepspeed": "0.16.9",
    "unsloth": "2025.1",
    "galore-torch": "1.0",
    "apollo-torch": "1.0.3",
    "badam": "1.2.3",
    "adam-mini": "1.1.1",
    "jieba": "0.42",
    "nltk": "3.9",
    "rouge-chinese": "1.0.3",
    "bitsandbytes": "0.46.1",
    "swanlab": "0.10.3",
    "wandb": "0.31.0",
}


def pretend_packages(directory: Path) -> None:
    """Metadata for packages that are not installed, and an empty DeepSpeed."""
    for name, version in PACKAGES.items():
        folder = directory / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (directory / "deepspeed").mkdir()
    (directory / "deepspeed" / "__init__.py").touch()
    sys.path.insert(0, str(directory))


def judge(case: dict[str, Any]) -> None:
    """Raise what the trainer raises."""
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


def in_a_process(case: dict[str, Any], answer: Path) -> str | None:
    """What the trainer says to a case."""
    child = os.fork()
    if child == 0:
        said = os.open(answer.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        try:
            judge(case)
            answer.write_text("null", "utf-8")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            answer.write_text(json.dumps(f"{type(error).__name__}: {error}"), "utf-8")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    read: str | None = json.loads(answer.read_text("utf-8"))
    answer.unlink()
    return read


def main() -> None:
    """Answer the cases on standard input."""
    with tempfile.TemporaryDirectory() as directory:
        packages, run = Path(directory, "packages"), Path(directory, "run")
        packages.mkdir()
        run.mkdir()
        cases = json.load(sys.stdin)
        if not any(case["run"] for case in cases):
            pretend_packages(packages)
        os.chdir(run)
        importlib.import_module("llamafactory.train.tuner")
        answers = [in_a_process(case, run / "answer.json") for case in cases]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
