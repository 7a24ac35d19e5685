"""A launcher in a user's command is judged like one in a manifest, and its variables are shown."""

from __future__ import annotations

import json

import pytest

from unit.compiling import found, ftc, trainer, variables
from unit.rules.pairs import Pair, pages, passes, refuses

OWN = "hardware=h100 storage=shared dataset=none model=none method=none nodes=2 devices=8 launcher=command"
TORCHRUN = (
    "torchrun --nnodes=$NNODES --node_rank=$NODE_RANK --nproc_per_node=$NPROC_PER_NODE --master_addr=$MASTER_ADDR"
    " --master_port=$MASTER_PORT train.py"
)
ACCELERATE = (
    "accelerate launch --multi_gpu --num_machines $NNODES --machine_rank $NODE_RANK --num_processes 16"
    " --main_process_ip $MASTER_ADDR --main_process_port $MASTER_PORT train.py"
)


def shell(script: str) -> str:
    return f"{OWN} 'launcher.command=[bash,-c,\"{script}\"]'"


def words(*given: str) -> str:
    listed = ",".join(f'"{word}"' for word in given)
    return f"{OWN} 'launcher.command=[{listed}]'"


PAIRS = (
    Pair("FTC144", words("torchrun", "train.py"), shell(TORCHRUN), "launcher.command.0"),
    Pair(
        "FTC144", words("torchrun", "--standalone", "--nnodes=2", "a.py"), words("python", "a.py"), "launcher.command"
    ),
    Pair(
        "FTC144",
        f"{words('llamafactory-cli', 'train', 'a.yaml')} devices=1",
        f"{shell('FORCE_TORCHRUN=1 llamafactory-cli train a.yaml')} devices=1",
        "launcher.command.0",
    ),
    Pair("FTC144", words("accelerate", "launch", "train.py"), shell(ACCELERATE), "launcher.command.0"),
    Pair("FTC144", words("deepspeed", "--num_gpus=8", "a.py"), words("bash", "/workspace/a.sh"), "launcher.command.0"),
    Pair(
        "FTC144",
        shell("cd /src && torchrun --nnodes=2 --master_addr=$MASTER_ADDR --nproc_per_node=8 a.py"),
        shell(
            "cd /src && torchrun --nnodes=2 --rdzv_backend=c10d --rdzv_endpoint=$MASTER_ADDR:29500 --rdzv_id=a"
            " --nproc_per_node=8 a.py"
        ),
        "launcher.command.2",
    ),
    Pair("FTC144", shell(TORCHRUN.replace("$NNODES", "4")), shell(TORCHRUN.replace("$NNODES", "2")), "launcher"),
    Pair("FTC144", shell(TORCHRUN.replace("$NODE_RANK", "0")), shell(TORCHRUN), "launcher"),
    Pair("FTC144", shell(TORCHRUN.replace("$MASTER_ADDR", "127.0.0.1")), shell(TORCHRUN), "launcher"),
    Pair("FTC144", shell(TORCHRUN.replace("$NPROC_PER_NODE", "16")), shell(TORCHRUN), "launcher"),
    Pair("FTC144", shell(ACCELERATE.replace(" 16", " 8")), shell(ACCELERATE), "launcher"),
    Pair(
        "FTC144",
        words("torchrun", "a.py"),
        f"{words('torchrun', 'a.py')} env.PET_NNODES=2 env.PET_NODE_RANK=1 env.PET_NPROC_PER_NODE=8",
        "launcher",
    ),
    Pair(
        "FTC144",
        f"{words('torchrun')} 'launcher.args=[train.py]'",
        f"{words('torchrun', '--nproc_per_node=8')} nodes=1 'launcher.args=[train.py]'",
        "launcher",
    ),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_command_that_trains_in_each_node_alone_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_command_that_trains_together_passes(pair: Pair) -> None:
    passes(pair)


def test_fewer_processes_than_devices_are_a_warning() -> None:
    overrides = ("launcher=command", "devices=8", "launcher.command=[torchrun,'--nproc_per_node=4',train.py]")
    (reported,) = [one for one in found(*overrides) if one.code == "FTC144"]
    assert reported.severity.value == "warning"
    assert reported.message == "4 processes, but the container has 8 devices"


def test_the_plan_shows_the_variables_that_the_program_gets() -> None:
    overrides = (*OWN.split(), "model=qwen3-8b", "launcher.command=[python,train.py]", "master_port=29501")
    shown = json.loads(ftc("plan", "--json", *overrides).stdout)["environment"]
    emitted = variables(trainer(*overrides))
    assert {"NNODES": "2", "NPROC_PER_NODE": "8", "MASTER_PORT": "29501"}.items() <= shown.items()
    for name in ("NNODES", "NPROC_PER_NODE", "MASTER_PORT", "MODEL_DIR"):
        assert emitted[name] == shown[name]
    assert shown["MASTER_ADDR"].endswith("-worker-0.llamafactory-xxxxx")
    assert shown["RUN_DIR"] == "/workspace/llamafactory-xxxxx"
    assert "NODE_RANK       0 to 1" in ftc("plan", *overrides).stdout
    assert "variables" not in ftc("plan").stdout
