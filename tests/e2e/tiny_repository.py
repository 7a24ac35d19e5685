"""A small dataset repository in Hugging Face's layout: one configuration for each kind of rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 32


def write_repository(directory: Path) -> Path:
    """Write the files, and the README.md that groups them."""
    configs = []
    for kind in KINDS:
        (directory / kind).mkdir(parents=True)
        for split in ("train", "test"):
            lines = [json.dumps(_row(kind, f"{split} {n}", n)) for n in range(ROWS if split == "train" else 4)]
            (directory / kind / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        files = [{"split": split, "path": f"{kind}/{split}.jsonl"} for split in ("train", "test")]
        configs.append({"config_name": kind, "data_files": files})
    (directory / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n", encoding="utf-8")
    return directory


KINDS = ("text", "questions", "talks", "pairs", "liked", "media")


def _row(kind: str, name: str, number: int) -> dict[str, Any]:
    question, answer = f"question {name}", f"answer {name}"
    talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    rows: dict[str, dict[str, Any]] = {
        "text": {"text": f"{question} {answer} and more of the same"},
        "questions": {"ask": question, "say": answer, "who": "You are brief."},
        "talks": {"talk": [{"role": "system", "content": "You are brief."}, *talk]},
        "pairs": {"ask": question, "good": answer, "bad": f"no {answer}"},
        "liked": {"talk": talk, "like": number % 2 == 0},
        "media": {
            "talk": [{"role": "user", "content": f"<image><video><audio>{question}"}, talk[1]],
            "pictures": ["a.png"],
            "films": ["b.mp4"],
            "sounds": ["c.wav"],
        },
    }
    return rows[kind]
