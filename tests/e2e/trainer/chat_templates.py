"""Check the chat templates of tiny results: a list of cases in, for each the verdict and the CPU seconds out."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from e2e.tiny_model import tokenizer

SCRIPTS = Path(__file__).parents[3] / "compiler" / "ftc" / "scripts"


def write_case(case: dict[str, Any], place: Path) -> tuple[dict[str, Any], Path]:
    """The arguments of a training, its data, its base model, and the result as the export of the trainer saves it."""
    base, result, data = place / "base", place / "result", place / "data"
    words = tokenizer(case["special"], **case["names"])
    words.chat_template = case["base_template"]
    words.save_pretrained(base)
    data.mkdir()
    (data / "rows.json").write_text(json.dumps(case["rows"]), encoding="utf-8")
    columns = {"history": "history", "system": "system"}
    info = {"rows": {"file_name": "rows.json", "columns": columns}}
    (data / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    given = {"stage": "sft", "model_name_or_path": str(base), "template": case["template"], "dataset": "rows"}
    given |= {"dataset_dir": str(data), "cutoff_len": 512, **case.get("train", {})}
    exported = importlib.import_module("check_chat_template").training(given).tokenizer
    if case["result_template"] is not None:
        exported.chat_template = case["result_template"]
    exported.save_pretrained(result)
    stops = [exported.convert_tokens_to_ids(one) for one in case["stops"]]
    (result / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}), encoding="utf-8")
    return given, result


def main() -> None:
    """Answer the cases."""
    sys.path.insert(0, str(SCRIPTS))
    checker = importlib.import_module("check_chat_template")
    answers = []
    for case in json.load(sys.stdin):
        with tempfile.TemporaryDirectory() as directory:
            given, result = write_case(case, Path(directory))
            start = time.process_time()
            verdict = checker.check(given, result, writes=case.get("writes", False))
            seconds = time.process_time() - start
            again = checker.check(given, result, writes=False)
            template = (result / "chat_template.jinja").read_text(encoding="utf-8")
            answers.append({"verdict": verdict, "seconds": seconds, "again": again["verdict"], "template": template})
    sys.stdout.write(f"\n{json.dumps(answers)}\n")


if __name__ == "__main__":
    main()
