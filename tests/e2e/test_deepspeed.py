"""DeepSpeed on the CPU: a step of stage 0 in bf16 does not move the weights enough, so ftc rejects it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.tiny_dataset import write_dataset
from e2e.trainer_environment import PAIRS, Trainer
from ftc.driver import Request, compile_job
from unit.compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# A step that is large enough for weights in bf16.
RATE = 1e-3
STAGE_0 = ("engine=deepspeed-z0",)


@pytest.fixture(scope="module")
def deepspeed(trainer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DeepSpeed at ftc's pins, without compiled operators, in a separate directory."""
    pins = ROOT / "conf" / "pins" / PAIRS["0.9.5"] / "deepspeed.txt"
    target = tmp_path_factory.mktemp("deepspeed")
    install = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(target), "-r", str(pins))
    command = (str(trainer / "bin/python"), "-m", "pip", "--disable-pip-version-check", *install)
    subprocess.run(command, check=True, env={**os.environ, "DS_BUILD_OPS": "0", "DS_ACCELERATOR": "cpu"})
    return target


class Machine:
    """The trainer and DeepSpeed, a model and a dataset, in a directory."""

    def __init__(self, venv: Path, deepspeed: Path, model: Path, directory: Path) -> None:
        self.venv, self.deepspeed, self.model, self.directory = venv, deepspeed, model, directory
        self.dataset = write_dataset(directory / "dataset")

    def step(self, *overrides: str) -> float:
        """The mean change of a weight by the first step, in learning rates."""
        output = self.directory / "output"
        shutil.rmtree(output, ignore_errors=True)
        given = {**emitted(*overrides), "output_dir": str(output), "model_name_or_path": str(self.model)}
        file = self.directory / "train.yaml"
        file.write_text(yaml.safe_dump({**given, "dataset_dir": str(self.dataset), "media_dir": None}), "utf-8")
        self._train(file)
        moved: float = Trainer("0.9.5", self.venv).ask("steps", {"before": str(self.model), "after": str(output)})
        return moved / RATE

    def _train(self, file: Path) -> None:
        own = {"PYTHONPATH": str(self.deepspeed), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
        # Not in the home directory: a run that is killed while it compiles leaves a lock there, and the next one waits.
        own["TORCH_EXTENSIONS_DIR"] = str(self.deepspeed / "extensions")
        path = f"{self.venv}/bin:{os.environ['PATH']}"
        words = ("--nproc_per_node", "2", "--master_port", "29563", "-m", "llamafactory.launcher", str(file))
        command = (str(self.venv / "bin/torchrun"), *words)
        variables = {**os.environ, **own, "PATH": path, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stderr


def emitted(*overrides: str) -> Any:
    """The training YAML of one step on the CPU, even if ftc rejects it."""
    words = (
        *("hardware=cpu", "devices=2", "launcher=torchrun", "method=full-sft", "dataset=identity-alauda"),
        "dataset.source.url=https://git.example.com/rows",
        *("train.max_steps=1", "train.lr_scheduler_type=constant", f"train.learning_rate={RATE}"),
        *("train.bf16=true", "train.cutoff_len=64", "train.preprocessing_num_workers=1"),
        *("train.gradient_accumulation_steps=1", "train.plot_loss=false", *overrides),
    )
    state = compile_job(Request(words, targets=("llamafactory",)))
    assert state.run is not None, state.diagnostics
    return yaml.safe_load(next(file.text for file in state.run.files if file.name == "train.yaml"))


@pytest.fixture
def machine(trainer: Path, deepspeed: Path, tiny_model: Path, tmp_path: Path) -> Machine:
    """A machine with the trainer and DeepSpeed."""
    return Machine(trainer, deepspeed, tiny_model, tmp_path)


def test_a_step_of_stage_0_is_short_in_bf16_alone(machine: Machine) -> None:
    """Against stage 2, which moves each weight that has a gradient by one learning rate."""
    whole = machine.step("engine=deepspeed-z2")
    assert machine.step(*STAGE_0) / whole < 0.6


@pytest.mark.slow
def test_a_step_of_stage_0_is_short_by_the_first_step_of_the_loss_scale(machine: Machine) -> None:
    """With a loss scale of 1 Adam begins with a step without gradients.

    What is left is (1 - b1) / (1 - b1^2) over the root of the same with b2, 0.744.
    """
    whole = machine.step("engine=deepspeed-z2")
    assert machine.step(*STAGE_0, "engine.config.fp16.loss_scale=1") / whole == pytest.approx(0.744, abs=0.05)
    assert machine.step(*STAGE_0, "train.bf16=false") / whole == pytest.approx(1, abs=0.05)
