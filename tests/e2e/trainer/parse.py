"""LLaMA-Factory's arguments from YAML files: `python -m e2e.trainer.parse < cases.json`, in its environment.

A case is {"train": "…", "merge": "…", "distributed": true}: the text of each file, and whether there is a process
group. The answer to each is {"train": {…}, "merge": {…}}: every parsed argument, or an error.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.trainer.cases import answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def parsed(case: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a case, read from files like `llamafactory-cli`."""
    parser = importlib.import_module("llamafactory.hparams.parser")
    pretend_accelerator(parser, distributed=case["distributed"])
    found = {"train": read(parser, "train.yaml", case["train"], parser.get_train_args)}
    if case["merge"] is not None:
        found["merge"] = read(parser, "merge.yaml", case["merge"], parser.get_infer_args)
    return found


def pretend_accelerator(parser: Any, *, distributed: bool) -> None:
    """A device that computes in bf16, and a process group if there is one."""
    arguments = importlib.import_module("transformers.training_args")
    if distributed:
        group = arguments.ParallelMode.DISTRIBUTED
        of_trainer = importlib.import_module("llamafactory.hparams.training_args").TrainingArguments
        of_trainer.parallel_mode = property(lambda _: group)
    for module in (parser, arguments):
        vars(module)["is_torch_bf16_gpu_available"] = lambda: True


def read(parser: Any, name: str, text: str, understand: Callable[[Any], Iterable[Any]]) -> dict[str, Any]:
    """The arguments of one file, of all its classes together."""
    Path(name).write_text(text, encoding="utf-8")
    sys.argv = ["llamafactory-cli", name]
    values: dict[str, Any] = {}
    for group in understand(parser.read_args()):
        values |= {field.name: plain(getattr(group, field.name)) for field in dataclasses.fields(group) if field.init}
        filled = getattr(group, "hf_deepspeed_config", None)
        if filled is not None:
            values["deepspeed"] = plain(filled.config)
    return values


def plain(value: Any) -> Any:
    """A value of JSON."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def main() -> None:
    """Answer the cases on standard input."""
    answers = answered(json.load(sys.stdin), parsed, "llamafactory.hparams.parser", pretend=True)
    json.dump([answer.value or {"error": answer.error} for answer in answers], sys.stdout)


if __name__ == "__main__":
    main()
