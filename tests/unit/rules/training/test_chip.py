"""Rules on the software for the chip: the image, DeepSpeed, FSDP and torch.distributed."""

from __future__ import annotations

import pytest

from unit.compiling import COMMAND, found
from unit.rules.pairs import Pair, passes, refuses

PAIRS = (
    Pair(
        "FTC340",
        ("hardware=cpu", "engine=fsdp", "launcher=accelerate", "nodes=2"),
        ("hardware=cpu", "engine=fsdp2", "launcher=accelerate", "nodes=2"),
        "engine",
    ),
    Pair("FTC324", ("hardware=gaudi2",), ("hardware=gaudi2", *COMMAND), "hardware.llamafactory"),
    Pair("FTC324", ("hardware=cambricon-mlu370",), ("hardware=ascend",), "hardware.llamafactory"),
    Pair("FTC325", ("hardware=mi300x",), ("hardware=mi300x", "image=team/rocm:1"), "image"),
    *(
        Pair("FTC326", (f"hardware={name}",), (f"hardware={name}", "image=team/own:1"), "image")
        for name in ("metax-c500", "metax-c500-sgpu", "hygon-dcu", "hygon-z100", "hygon-dcu-hami")
    ),
    Pair("FTC326", ("hardware=iluvatar-bi-v150",), ("hardware=iluvatar-bi-v150", "image=team/corex:1"), "image"),
    Pair(
        "FTC327",
        ("hardware=ascend", "image=hiyouga/llamafactory:0.9.5"),
        ("hardware=ascend", "image=hiyouga/llamafactory:latest-910b-ubuntu"),
        "image",
    ),
    Pair("FTC327", ("image=hiyouga/llamafactory:0.9.5-npu-a2",), ("image=hiyouga/llamafactory:0.9.4",), "image"),
    Pair(
        "FTC327",
        ("hardware=ascend-910c", "image=hiyouga/llamafactory:latest-910b-ubuntu"),
        ("hardware=ascend-910c", "image=hiyouga/llamafactory:latest-a3-ubuntu"),
        "image",
    ),
    Pair("FTC337", ("hardware=kunlunxin-p800", "engine=deepspeed-z2"), ("hardware=kunlunxin-p800",), "engine"),
    Pair("FTC338", ("train.ddp_backend=gloo",), ("train.ddp_backend=nccl",), "train.ddp_backend"),
    Pair("FTC338", ("hardware=ascend", "train.ddp_backend=nccl"), ("hardware=ascend",), "train.ddp_backend"),
    Pair(
        "FTC339",
        ("hardware=ascend", "train.enable_liger_kernel=true"),
        ("train.enable_liger_kernel=true",),
        "train.enable_liger_kernel",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)


PIN = "hardware.image=hiyouga/llamafactory:0.9.5@sha256:" + 64 * "0"


@pytest.mark.parametrize(
    ("overrides", "help_"),
    [
        (("image=hiyouga/llamafactory:0.9.4",), "use an image such as hiyouga/llamafactory:0.9.5-npu-a2"),
        ((PIN,), "use an image whose tag is like *npu-a2 or *910b*, and pin that"),
    ],
)
def test_the_remedy_is_an_image_for_this_hardware(overrides: tuple[str, ...], help_: str) -> None:
    (told,) = [one for one in found("hardware=ascend", *overrides) if one.code == "FTC327"]
    assert told.help == help_


def test_without_tags_of_the_hardware_the_remedy_names_those_of_others() -> None:
    pin = PIN.replace("0.9.5", "0.9.5-npu-a2")
    (told,) = [one for one in found("hardware=nvidia", pin) if one.code == "FTC327"]
    assert told.help == "use an image whose tag is not like *npu* or *910b* or *-a3-*, and pin that"
