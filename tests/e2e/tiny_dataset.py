"""Make a small dataset that LLaMA-Factory reads: `python tiny_dataset.py DIRECTORY`."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def write_dataset(files: Path) -> Path:
    """Write a small dataset of 64 questions and answers."""
    files.mkdir(parents=True)
    rows = [{"instruction": f"question {n}", "input": "", "output": f"answer {n}"} for n in range(64)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (files / "identity_alauda.jsonl").write_text(lines, encoding="utf-8")
    info = {"identity_alauda": {"file_name": "identity_alauda.jsonl"}}
    (files / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return files


if __name__ == "__main__":
    write_dataset(Path(sys.argv[1]))
