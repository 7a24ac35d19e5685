"""The nodes wait for each other as long as the scripts do, not the ten minutes of PyTorch."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from e2e.pod_scripts import pod_scripts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# In the place of torchrun and accelerate, which would train.
RECORD = '#!/bin/sh\nprintf "%s\\n" "$@" >"$RECORDED"\nprintf %s "${PET_RDZV_CONF-}" >"$RECORDED.defaults"\n'
ELASTIC = {"LEAST_NNODES": "1", "RESTARTS": "3", "JOB_NAME": "job-1"}
OF_TORCHRUN = (
    "from torch.distributed.run import config_from_args, get_args_parser\n"
    "print(config_from_args(get_args_parser().parse_args(sys.argv[1:]))[0].rdzv_configs)\n"
)
OF_ACCELERATE = (
    "from accelerate.commands.launch import launch_command_parser\n"
    "from torch.distributed.elastic.rendezvous.utils import _parse_rendezvous_config\n"
    "print(_parse_rendezvous_config(launch_command_parser().parse_args(sys.argv[2:]).rdzv_conf))\n"
)


@pytest.mark.parametrize(
    ("launcher", "elastic"),
    [
        ("llamafactory-cli", {}),
        ("llamafactory-cli", ELASTIC),
        ("torchrun", {}),
        ("torchrun", ELASTIC),
        ("accelerate", {}),
    ],
)
def test_a_node_waits_two_hours_for_the_others(
    launcher: str, elastic: dict[str, str], trainer: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("torchrun", "accelerate"):
        (programs / name).write_text(RECORD)
        (programs / name).chmod(0o755)
    recorded = tmp_path / "recorded"
    world = {"NNODES": "2", "NODE_RANK": "0", "NPROC_PER_NODE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29571"}
    variables = {**world, **elastic, "FORCE_TORCHRUN": "1", "RECORDED": str(recorded)}
    scripts = pod_scripts(tmp_path / "ftc", {})
    done = scripts.run(f"launch_{launcher}.sh", PATH=f"{programs}:{trainer}/bin:{os.environ['PATH']}", **variables)
    assert done.status == 0, done.log

    # PyTorch and accelerate read what they were given: arguments, and the variable with torchrun's defaults.
    read = f"import sys\n{OF_ACCELERATE if launcher == 'accelerate' else OF_TORCHRUN}"
    command = (f"{trainer}/bin/python", "-c", read, *recorded.read_text().splitlines())
    defaults = {"PET_RDZV_CONF": recorded.with_name("recorded.defaults").read_text()}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=defaults).stdout
    assert "'timeout': '7200'" in said
    assert not elastic or "'join_timeout': '7200'" in said
