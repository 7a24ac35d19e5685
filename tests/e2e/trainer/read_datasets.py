"""The rows of datasets that LLaMA-Factory reads: `python -m e2e.trainer.read_datasets < cases.json`.

A case is {"directory": "…", "name": "…", "stage": "sft", "template": "qwen", "arguments": {…}}. The answer to each is
the number of rows that reach the training, or the error that ends it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def _first(**_names: object) -> Iterator[None]:
    """The only process is the first one."""
    yield


def _processor(words: Any) -> Any:
    """A processor of images that needs no model."""
    images = importlib.import_module("transformers").Qwen2VLImageProcessor()
    sizes = {"image_max_pixels": 3136, "image_min_pixels": 784, "video_max_pixels": 3136, "video_min_pixels": 784}
    return SimpleNamespace(image_processor=images, tokenizer=words, **sizes)


def rows(case: dict[str, Any], cache: str) -> int:
    """The number of rows that the trainer would train on."""
    loader = importlib.import_module("llamafactory.data.loader")
    templates = importlib.import_module("llamafactory.data.template")
    arguments = importlib.import_module("llamafactory.hparams.data_args").DataArguments
    words = importlib.import_module("e2e.tiny_model").tokenizer()
    data = arguments(
        dataset=case["name"],
        dataset_dir=case["directory"],
        template=case["template"],
        **{"packing": False, "cutoff_len": 512, **case["arguments"]},
    )
    training = SimpleNamespace(
        main_process_first=_first, seed=1, predict_with_generate=False, local_process_index=0, should_log=True
    )
    model = SimpleNamespace(cache_dir=cache, hf_hub_token=None)
    template = templates.get_template_and_fix_tokenizer(words, data)
    processor = _processor(words) if case["template"].endswith("_vl") else None
    module = loader.get_dataset(template, model, data, training, case["stage"], words, processor)
    return len(module["train_dataset"])


def main() -> None:
    """Answer the cases on standard input."""
    said, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HF_DATASETS_CACHE"] = cache
        importlib.import_module("datasets").disable_progress_bars()
        answers: list[int | str] = []
        for case in json.load(sys.stdin):
            try:
                answers.append(rows(case, cache))
            except Exception as error:  # noqa: BLE001 - whatever ends the training
                reason = error.__cause__ or error
                answers.append(f"{type(reason).__name__}: {reason}"[:500])
    json.dump(answers, said)


if __name__ == "__main__":
    main()
