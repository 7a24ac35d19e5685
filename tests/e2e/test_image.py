"""The pins of an image are complete and compatible."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from e2e.trainer_environment import PAIRS as INSTALLED
from unit.compiling import ROOT, ftc

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.e2e

METRICS = ("train.predict_with_generate=true", "train.eval_dataset=alpaca")
TO_S3 = ("publish=s3", "publish.bucket=results", "publish.credentials.secret=s3")
EVERYTHING = ("engine=deepspeed-z2", "train.quantization_bit=4", *METRICS, *TO_S3)
TRACKERS = ("tracking.mlflow={uri: http://mlflow.example.com, experiment: any}", "tracking.tensorboard={}")
CLOUDS = ("tracking.wandb={project: any, mode: offline}", "tracking.swanlab={project: any, mode: local}")
ASKED_FOR = (
    "deepspeed",
    "mlflow-skinny",
    "tensorboard",
    "wandb",
    "swanlab",
    "bitsandbytes",
    "jieba",
    "nltk",
    "rouge-chinese",
    "minio",
)
# The accelerator packages that a wheel of PyTorch requires.
OF_TORCH = re.compile(r"(torch|torchvision|torchaudio|triton|nvidia-.*|cuda-.*)==.*")
TORCH_2_6 = ("torch==2.6.0", "torchvision==0.21.0", "torchaudio==2.6.0")
TORCH_2_7 = ("torch==2.7.1", "torchvision==0.22.1", "torchaudio==2.7.1")
TORCH_2_8 = ("torch==2.8.0", "torchvision==0.23.0", "torchaudio==2.8.0")
TORCH_2_13 = ("torch==2.13.0", "torchvision==0.28.0", "torchaudio==2.11.0")
# The Python, the PyTorch and the machines of each base; A3 has the packages of A2.
BASES = {
    "cuda": ("3.11", TORCH_2_6, ("x86_64",)),
    "cuda-12.8": ("3.11", TORCH_2_8, ("x86_64",)),
    "ascend-a2": ("3.11", TORCH_2_7, ("x86_64", "aarch64")),
    "rocm": ("3.12", TORCH_2_7, ("x86_64",)),
    "cpu": ("3.11", TORCH_2_13, ("x86_64", "aarch64")),
}
OLD = ("0.9.3", "4.51.1")
PAIRS = (pytest.param(("0.9.5", "5.5.4"), id="0.9.5"), pytest.param(OLD, id="0.9.3", marks=pytest.mark.slow))


def pins(*overrides: str) -> set[str]:
    """The packages of a Dockerfile."""
    said = ftc("compile", "-t", "image", "image=example.com/a:1", *overrides)
    assert said.exit_code == 0, said.stderr
    return set(re.findall(r"^    (\S+==\S+)", said.stdout, re.MULTILINE))


def resolved(asked: Iterable[str], python: str, machine: str, *options: str) -> set[str]:
    """The packages that a resolver would install on Linux."""
    platform = ("--python-version", python, "--python-platform", f"{machine}-unknown-linux-gnu")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", *platform]
    done = subprocess.run(
        [*command, *options, "-"], input="\n".join(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("build", BASES)
def test_a_resolver_finds_nothing_to_add_to_the_pins_and_no_conflict(
    tmp_path: Path, build: str, pair: tuple[str, str]
) -> None:
    python, torch, machines = BASES[build]
    trainer = (f"trainer.llamafactory={pair[0]}", f"trainer.transformers={pair[1]}")
    pinned = pins(f"build@hardware.build={build}", *trainer, *EVERYTHING, *TRACKERS, *CLOUDS)
    assert {pin for pin in pinned if OF_TORCH.fullmatch(pin)} <= set(torch)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(sorted({*pinned, *torch})))
    asked = [f"llamafactory=={pair[0]}", f"transformers=={pair[1]}", *torch, *ASKED_FOR]
    for machine in machines:
        found = resolved(asked, python, machine, "--constraints", str(constraints))
        needed = {pin for pin in found if not OF_TORCH.fullmatch(pin)}
        assert {f"llamafactory=={pair[0]}", f"transformers=={pair[1]}"} < needed
        assert needed - pinned == set()


@pytest.mark.parametrize(("python", "machine"), [("3.11", "x86_64"), ("3.11", "aarch64"), ("3.12", "x86_64")])
@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_compiled_while_an_image_is_built(pair: tuple[str, str], python: str, machine: str) -> None:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "conf/pins" / "+".join(pair)).glob("*.txt")]
    pinned = {line for text in texts for line in text.splitlines() if not line.startswith("#")}
    pure = ("deepspeed==", "jieba==", "pwinput==")  # pure Python sources
    without_wheels = {pin for pin in pinned if pin.startswith(pure)}
    wheels = resolved(pinned - without_wheels, python, machine, "--no-deps", "--no-build")
    assert wheels | without_wheels == pinned


def test_the_environment_of_these_tests_has_the_pins_of_its_pair(trainer: Path) -> None:
    script = "import importlib.metadata as m, json; print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    done = subprocess.run([str(trainer / "bin/python"), "-c", script], capture_output=True, text=True, check=True)
    installed = {f"{name(found)}=={version.partition('+')[0]}" for found, version in json.loads(done.stdout)}
    directory = ROOT / "conf" / "pins" / INSTALLED["0.9.5"]
    files = [directory / f"{name}.txt" for name in ("trainer", "mlflow", "tensorboard")]
    listed = {line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line[0] != "#"}
    assert listed - installed == set()
    # These install the others.
    assert {pin.partition("==")[0] for pin in installed - listed} <= {"pip", "uv", "torch", "torchaudio"}


def name(package: str) -> str:
    """Normalized like package indexes do."""
    return re.sub(r"[-_.]+", "-", package).lower()
