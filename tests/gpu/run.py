"""One training from an emitted script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from e2e.compiling import ftc
from e2e.waiting import wait_until

LIMIT = 300
# `devices=1` and `devices=2` see the same 8 rows in a step.
ROWS = {1: "train.gradient_accumulation_steps=2", 2: "train.gradient_accumulation_steps=1"}
SMALL = (
    "train.cutoff_len=128",
    "train.per_device_train_batch_size=4",
    "train.max_steps=20",
    "train.learning_rate=1.0e-3",
)
LARGE = ("train.cutoff_len=2048", "train.gradient_accumulation_steps=1", "train.max_steps=4")
ALWAYS = (
    "train.preprocessing_num_workers=1",
    "train.logging_steps=1",
    "train.plot_loss=false",
    "method.merge=null",
    "model.template=qwen3_nothink",
    "source@model.source=path",
    "dataset=custom",
    "dataset.id=random",
    "dataset.names=[rows]",
    "source@dataset.source=path",
)


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of cases.yaml."""

    name: str
    devices: int
    overrides: list[str]
    same_as: str | None = None
    end: Literal["normal", "kill", "stop"] = "normal"
    model: str | None = None


@dataclass
class Result:
    """What a training did: its losses, the largest memory of a GPU and the estimate in MiB, and why it failed."""

    case: Case
    losses: list[float]
    failure: str | None = None
    used: int | None = None
    estimate: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a case runs: the trainer's environment, the model, the dataset, a hardware option and a port."""

    trainer: Path
    model: Path
    dataset: Path
    hardware: str
    directory: Path
    port: int

    def overrides(self, case: Case) -> tuple[str, ...]:
        """The overrides of a case."""
        sizes = LARGE if case.model else (*SMALL, ROWS[case.devices])
        model = (f"model={case.model}",) if case.model else ("model=custom", "model.id=random")
        sources = (f"model.source.path={self.model}", f"dataset.source.path={self.dataset}")
        machine = (f"hardware={self.hardware}", f"devices={case.devices}", f"master_port={self.port}")
        return (*machine, *model, *ALWAYS, *sources, *sizes, *case.overrides)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the script, as a leader of its process group. Its output is in `log`."""
        path = f"{self.trainer}/bin:{os.environ['PATH']}"
        own = {"PATH": path, "JOB_NAME": "run", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        with (self.directory / "log").open("ab") as log:
            command = ("bash", "run.sh")
            variables = {**os.environ, **own}
            return subprocess.Popen(
                command, cwd=self.directory, env=variables, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, case: Case) -> Result:
        """Run a case to its end. A case that fails does not end the others."""
        self.directory.mkdir(parents=True)
        try:
            script = ftc("compile", "-t", "script", *self.overrides(case))
            (self.directory / "run.sh").write_text(script, encoding="utf-8")
            status = self.end(case, self.start())
        except (AssertionError, subprocess.TimeoutExpired, ProcessLookupError) as error:
            return Result(case, self.losses(), str(error).strip().splitlines()[0])
        return Result(case, self.losses(), self.failure(case, status))

    def end(self, case: Case, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end of a training, or end it as the case says; its exit code."""
        if case.end != "normal":
            wait_until(lambda: self.saved(case) or process.poll() is not None)
        if case.end == "kill":
            self.kill()
            process = self.start()
        if case.end == "stop":
            process.terminate()
        try:
            return process.wait(LIMIT)
        finally:
            if process.poll() is None:
                self.kill()

    def kill(self) -> None:
        """Kill the script and everything that it has started."""
        for process in processes_in(self.directory):
            os.kill(process, signal.SIGKILL)
        # A killed process holds its files, the lock too, until the driver has freed its memory.
        lock = self.output().parent / "run.lock"
        wait_until(lambda: not subprocess.run(("flock", "--nonblock", lock, "true"), check=False).returncode)

    def output(self) -> Path:
        """The directory that the trainer writes."""
        return self.directory / "ftc-runs" / "run" / "output"

    def saved(self, case: Case) -> bool:
        """Whether a training that will be stopped has begun, and one that will be killed has a checkpoint."""
        if case.end == "stop":
            return bool(self.losses())
        return any(self.output().glob("checkpoint-*/trainer_state.json"))

    def losses(self) -> list[float]:
        """The losses that the trainer has logged."""
        log = self.output() / "trainer_log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [row["loss"] for row in map(json.loads, lines) if "loss" in row]

    def failure(self, case: Case, status: int) -> str | None:
        """Why the case failed, in one line."""
        text = (self.directory / "log").read_text(encoding="utf-8", errors="replace")
        if case.end == "stop":
            left = processes_in(self.directory)
            return f"processes are left: {left}" if left else None if status == 143 else f"exit code {status}"
        if status:
            errors = [line for line in text.splitlines() if "Error" in line]
            return f"exit code {status}: {(errors or ['see log'])[-1][:200]}"
        if case.end == "kill" and "Resuming training from" not in text:
            return "it trained from the start after the kill"
        return None


def processes_in(directory: Path) -> list[int]:
    """The processes whose working directory is below a directory."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(directory):
                found.append(int(link.parent.name))
        except OSError:  # it has ended
            continue
    return found
