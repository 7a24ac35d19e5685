"""Train what ftc emits on the GPUs of this machine: `python -m gpu`.

Curves are compared with each other, peaks of memory with the estimate. FTC_TRAINER is an environment with
LLaMA-Factory. It prints a table; the exit code is 1 if a case fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from e2e.compiling import ftc
from gpu.machine import count, peaks
from gpu.run import Case, Place, Result
from gpu.table import table

# Small trainings share GPUs; a training whose memory is measured has them alone.
TOGETHER = 10
PORT = 29600


def main() -> int:
    """Run the cases that fit on this machine, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m gpu", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names of cases.yaml; all by default")
    parser.add_argument("--hardware", default="h200", help="the option of the machine's GPUs")
    parser.add_argument(
        "--directory", type=Path, default=Path(".cache/gpu-runs"), help="for models, runs and logs; emptied first"
    )
    options = parser.parse_args()
    directory = options.directory.absolute()
    shutil.rmtree(directory, ignore_errors=True)
    groups = read_cases()
    machine = Machine(Path(os.environ["FTC_TRAINER"]).absolute(), directory, options.hardware, count())
    wanted = set(options.cases) or {case.name for cases in groups.values() for case in cases}
    chosen = {group: [case for case in cases if case.name in wanted] for group, cases in groups.items()}
    with ThreadPoolExecutor(TOGETHER) as pool:
        curves = list(pool.map(machine.train, chosen["curves"]))
    memory = [machine.measure(case) for case in chosen["memory"]]
    text, failed = table(curves, memory)
    sys.stdout.write(text)
    return failed


def read_cases() -> dict[str, list[Case]]:
    """The groups of cases.yaml."""
    return msgspec.yaml.decode((Path(__file__).parent / "cases.yaml").read_bytes(), type=dict[str, list[Case]])


class Machine:
    """The models, the data and the GPUs."""

    def __init__(self, trainer: Path, directory: Path, hardware: str, gpus: int) -> None:
        self.trainer, self.directory, self.hardware, self.gpus = trainer, directory, hardware, gpus
        self.tiny = directory / "tiny"
        self._python("e2e.tiny_model", str(self.tiny))
        write_data(directory / "short", 1)
        write_data(directory / "long", 4000)
        self._next = iter(range(PORT, PORT + 1000))

    def _python(self, module: str, *arguments: str) -> None:
        variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run((str(self.trainer / "bin/python"), "-m", module, *arguments), check=True, env=variables)

    def place(self, case: Case, model: Path, data: str) -> Place:
        """Where a case runs."""
        own = self.directory / case.name
        return Place(self.trainer, model, self.directory / data, self.hardware, own, next(self._next))

    def train(self, case: Case) -> Result:
        """Train the tiny model."""
        if case.devices > self.gpus:
            return Result(case, [], f"needs {case.devices} GPUs")
        return shown(self.place(case, self.tiny, "short").run(case))

    def measure(self, case: Case) -> Result:
        """Train a model of real size, and read the largest used memory."""
        if case.devices > self.gpus:
            return Result(case, [], f"needs {case.devices} GPUs")
        model = self.directory / str(case.model)
        if not model.exists():
            shape = msgspec.yaml.decode(ftc("show", f"model={case.model}"))["model"]["architecture"]
            self._python("gpu.shaped_model", str(model), json.dumps(shape))
        place = self.place(case, model, "long")
        with peaks() as used:
            result = place.run(case)
        result.used = max(used.values())
        result.estimate = json.loads(ftc("plan", "--json", *place.overrides(case)))["memory"]["total_mib"]
        return shown(result)


def shown(result: Result) -> Result:
    """Print a result at once: a lease of the machine may end before the table is complete."""
    sys.stderr.write(f"{msgspec.json.encode(result).decode()}\n")
    return result


def write_data(directory: Path, words: int) -> None:
    """Write 64 questions with answers, and with a better and a worse answer."""
    directory.mkdir(parents=True)
    rows = [
        {"instruction": f"question {n}", "input": "", "output": f"answer {n} " * words, "worse": "I am"}
        for n in range(64)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (directory / "rows.jsonl").write_text(text, encoding="utf-8")
    pairs = {"ranking": True, "columns": {"prompt": "instruction", "chosen": "output", "rejected": "worse"}}
    info = {"rows": {"file_name": "rows.jsonl"}, "pairs": {"file_name": "rows.jsonl", **pairs}}
    (directory / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
