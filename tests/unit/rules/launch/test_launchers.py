"""Launchers start the intended program, the first time and after a restart."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, found
from unit.rules.pairs import Pair, pages, passes, refuses

OWN = "launcher=command launcher.command="
PAIRS = (
    Pair("FTC134", "env.USE_MODELSCOPE_HUB=yes", "env.USE_MODELSCOPE_HUB=True", "env.USE_MODELSCOPE_HUB"),
    Pair("FTC134", "hardware.env.OPTIM_TORCH=enabled", "hardware.env.OPTIM_TORCH=no", "hardware.env.OPTIM_TORCH"),
    Pair("FTC134", "env.RECORD_VRAM=on", f"{OWN}[a] env.RECORD_VRAM=on", "env.RECORD_VRAM"),
    Pair("FTC135", "env.USE_V1=true", f"{OWN}[a] env.USE_V1=true", "env.USE_V1"),
    Pair("FTC135", "launcher=torchrun env.USE_RAY=1", "env.USE_RAY=1", "env.USE_RAY"),
    Pair("FTC136", f"{OWN}'[\"python train.py\"]'", f"{OWN}[python,train.py]", "launcher.command.0"),
    Pair(
        "FTC136",
        f"{OWN}[python] 'launcher.args=[--nodes,\"$NNODES\"]'",
        f"{OWN}[bash,-c] 'launcher.args=[\"python a.py --nodes $NNODES\"]'",
        "launcher.args.1",
    ),
    Pair(
        "FTC136",
        "'setup=[[pip,install,a,\"&&\",pip,install,b]]'",
        "'setup=[[pip,install,a],[pip,install,b]]'",
        "setup.0.3",
    ),
    Pair(
        "FTC136",
        "'setup=[[pip,install,a],[cp,a,\"$(HOME)/b\"]]'",
        '\'setup=[[awk,"{print $1}",a],[cp,a,"b c"]]\'',
        "setup.1.2",
    ),
    Pair("FTC137", "restarts=1 train.save_strategy='\"no\"'", "train.save_strategy='\"no\"'", "train.save_strategy"),
    Pair("FTC137", "restarts=1 train.save_only_model=true", "train.save_only_model=true", "train.save_only_model"),
    Pair(
        "FTC137",
        "restarts=1 method.arguments.resume_from_checkpoint=/workspace/a/checkpoint-5",
        "restarts=0 method.arguments.resume_from_checkpoint=/workspace/a/checkpoint-5",
        "method.arguments.resume_from_checkpoint",
    ),
    Pair("FTC101", ("dataset=none",), COMMAND, "dataset"),
    Pair("FTC101", ("model=none",), COMMAND, "model"),
    Pair("FTC101", ("method=none",), COMMAND, "method"),
    Pair("FTC102", (*COMMAND, "engine=deepspeed-z2"), COMMAND, "engine"),
    Pair("FTC102", (*COMMAND, "method=lora-sft"), (*COMMAND, "model=qwen3-8b"), "method"),
    Pair("FTC102", (*COMMAND, "train.max_steps=1"), ("train.max_steps=1",), "train"),
    Pair("FTC102", (*COMMAND, "setup=[[true]]"), ("setup=[['true']]",), "setup"),
    Pair("FTC102", (*COMMAND, "publish=git", "publish.url=https://a.b/c"), COMMAND, "publish"),
    Pair("FTC103", ("engine=fsdp2", "devices=2"), ("engine=fsdp2", "devices=2", "launcher=accelerate"), "engine"),
    Pair("FTC103", ("engine=fsdp2", "devices=2", "launcher=torchrun"), ("launcher=torchrun", "devices=2"), "engine"),
    Pair("FTC104", ("launcher=accelerate", "engine=deepspeed-z2"), ("engine=deepspeed-z2",), "engine"),
    Pair(
        "FTC104", ("launcher=accelerate", "engine=fsdp2"), ("launcher=accelerate", "engine=fsdp2", "nodes=2"), "engine"
    ),
    Pair("FTC107", COMMAND, (), "launcher"),
    Pair("FTC507", ("nodes=2",), ("nodes=1",), "nodes"),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_misleading_launcher_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_valid_launcher_passes(pair: Pair) -> None:
    passes(pair)


def test_a_switch_that_the_launch_script_unsets_is_not_an_error() -> None:
    assert [d.code for d in found("env.USE_RAY=1")] == []
