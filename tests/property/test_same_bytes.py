"""The same overrides and conf give the same bytes, wherever and however ftc runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from unit.compiling import COMMAND, ROOT

if TYPE_CHECKING:
    from pathlib import Path

RUNS = (
    ("compile",),
    ("compile", "hardware=ascend", "launcher=accelerate", "nodes=2", "engine=fsdp2", "labels={b: c, a: d}"),
    (
        "compile",
        "-t",
        "llamafactory",
        "engine=deepspeed-z3",
        "model.arguments={flash_attn: fa2, a: b}",
        "trainer.llamafactory=0.9.9",
    ),
    ("compile", *COMMAND, "env={Z: a, A: b}", "publish=none"),
    ("show", "storage=job-lifetime", "hardware=alauda-vgpu"),
    ("list",),
)


def said(command: list[str], directory: Path, **environment: str) -> str:
    """A digest of the output of a run, because a long text would hide which run differs."""
    done = subprocess.run(
        command, cwd=directory, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout
    return hashlib.sha256(done.stdout).hexdigest()


def in_process(arguments: tuple[str, ...], directory: Path, seed: str) -> str:
    return said([sys.executable, "-m", "ftc.cli.main", *arguments], directory, PYTHONHASHSEED=seed)


@pytest.mark.parametrize("arguments", RUNS, ids=" ".join)
def test_the_hash_seed_and_the_working_directory_make_no_difference(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("not: this\n")
    assert in_process(arguments, tmp_path, "0") == in_process(arguments, ROOT, "4242")


def test_the_environment_makes_no_difference(tmp_path: Path) -> None:
    environment = {"NNODES": "7", "HYDRA_FULL_ERROR": "1", "HOME": str(tmp_path), "TZ": "Asia/Shanghai", "LANG": "C"}
    command = [sys.executable, "-m", "ftc.cli.main", "compile"]
    assert said(command, tmp_path, **environment) == said(command, ROOT)


def test_the_installed_wheel_prints_the_same(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("ftc-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", str(wheel)], check=True)
    ftc = str(tmp_path / "venv" / "bin" / "ftc")
    for arguments in RUNS:
        assert said([ftc, *arguments], tmp_path) == in_process(arguments, ROOT, "0"), arguments
    where = [str(python), "-c", "import ftc, sys; sys.exit(not ftc.__file__.startswith(sys.prefix))"]
    assert subprocess.run(where, cwd=tmp_path, env={}, check=False).returncode == 0, "ftc is imported from the wheel"
