"""Compile like a user, in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from e2e.pod import Json


def ftc_compile(*arguments: str) -> str:
    """The output of `ftc compile`."""
    return ftc("compile", *arguments)


def ftc(*arguments: str) -> str:
    """The output of a command that succeeds."""
    command = [sys.executable, "-m", "ftc.cli.main", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "compiler")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compile_manifests(*arguments: str) -> list[Json]:
    """The objects that a user would create, in order."""
    return list(yaml.safe_load_all(ftc_compile(*arguments)))


def compile_manifest(*arguments: str) -> Json:
    """The manifest that a user would create."""
    manifest: Json = yaml.safe_load(ftc_compile(*arguments))
    return manifest
