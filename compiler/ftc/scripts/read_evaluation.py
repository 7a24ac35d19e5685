"""read_evaluation.py REASON: write the numbers of LLaMA-Factory's prediction to evaluation.json."""

# A REASON that is not empty says why the prediction failed. evaluate.verdict gets the result in one line. LLaMA-Factory
# writes to `evaluation`: predict_results.json has the numbers, generated_predictions.jsonl a line for each row.

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

RESULT = Path("evaluation.json")
VERDICT = Path("evaluate.verdict")
DIRECTORY = Path("evaluation")
_PREFIX = "predict_"
# LLaMA-Factory, train/sft/metric.py: the means over all rows, in percent.
_METRICS = ("bleu-4", "rouge-1", "rouge-2", "rouge-l")


def measured() -> dict[str, Any]:
    """The numbers of the prediction, or why it has failed."""
    try:
        found = json.loads((DIRECTORY / "predict_results.json").read_text(encoding="utf-8"))
        with (DIRECTORY / "generated_predictions.jsonl").open(encoding="utf-8") as file:
            rows = sum(1 for line in file if line.strip())
        metrics = {name: round(float(found[_PREFIX + name]), 2) for name in _METRICS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"failed": f"the prediction has no numbers: {type(error).__name__}: {error}"}
    if not all(map(math.isfinite, metrics.values())):
        return {"failed": f"the prediction has no numbers: {metrics}"}
    return {"rows": rows, **metrics}


def in_words(result: dict[str, Any]) -> str:
    """The result in one line."""
    if "failed" in result:
        return f"failed: {result['failed']}"
    rows = result["rows"]
    metrics = ", ".join(f"{name} {result[name]}" for name in _METRICS)
    return f"{metrics} in {rows} row{'' if rows == 1 else 's'}"


def write(place: Path, text: str) -> None:
    """Write a file by a rename: a restart finds the old one or the new one."""
    new = place.with_name(f"{place.name}.ftc-tmp")
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(place)


def main() -> None:
    """Write the result in the run's directory, and its line to the log."""
    reason = sys.argv[1]
    result = {"failed": reason} if reason else measured()
    line = f"evaluation: {in_words(result)}"
    write(RESULT, json.dumps(result, indent=2))
    write(VERDICT, line)
    sys.stdout.write(f"ftc: {line}\n")


if __name__ == "__main__":
    main()
