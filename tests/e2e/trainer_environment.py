"""The environments of the real trainer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
# `make e2e` sets these variables; otherwise the environments are created once per machine.
PLACES = {
    "0.9.5": "FTC_TRAINER",
    "0.9.3": "FTC_TRAINER_OLD",
    "0.9.4": "FTC_TRAINER_0_9_4",
    "0.9.4 with transformers 4.57.1": "FTC_TRAINER_0_9_4_LATER",
}
PAIRS = {
    "0.9.5": "0.9.5+5.6.0",
    "0.9.3": "0.9.3+4.51.1",
    "0.9.4": "0.9.4+4.51.1",
    "0.9.4 with transformers 4.57.1": "0.9.4+4.57.1",
}


class Trainer(NamedTuple):
    """A release of LLaMA-Factory and where it is installed."""

    release: str
    venv: Path

    def ask(self, program: str, question: object) -> Any:
        """Run a program of tests/e2e/trainer in the environment: JSON in, JSON out."""
        command = [str(self.venv / "bin/python"), "-m", f"e2e.trainer.{program}"]
        variables = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, input=json.dumps(question), capture_output=True, text=True, check=False, env=variables
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def versions(release: str) -> str:
    """The overrides for a release."""
    llamafactory, transformers = PAIRS[release].split("+")
    return f"trainer.llamafactory={llamafactory} trainer.transformers={transformers}"


def installed_trainer(release: str) -> Path:
    """The environment of a release."""
    given = os.environ.get(PLACES[release])
    venv = Path(given or Path(tempfile.gettempdir(), f"ftc-trainer-{PAIRS[release]}")).absolute()
    subprocess.run(["bash", str(HERE / "trainer/install.sh"), PAIRS[release], str(venv)], check=True)
    return venv
