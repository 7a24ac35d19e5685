"""The pass `check`: severities, targets, the places of findings, and configurations that must pass."""

from __future__ import annotations

import pytest

from ftc.diagnostics.model import Severity
from unit.compiling import COMMAND, errors, found, ftc, refused, template, trainer, variables

TRAIN = "pod.spec.containers=[{name: train, %s}]"
# fa2 crashes with transformers 5.6.0, the default.
NO_BUG = "trainer.transformers=5.5.4"
OLDER = ("trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1", "image=registry.example.com/train:0.9.3")


def test_an_error_fails_compile_and_a_warning_does_not() -> None:
    assert "error[FTC301 devices-exceed-node]" in refused("devices=9")
    said = ftc("compile", "hardware=alauda-vgpu")
    assert said.exit_code == 0
    assert "warning[FTC303 hami-needs-its-scheduler]" in said.stderr
    assert said.stdout.startswith("apiVersion: batch.volcano.sh/")


def test_a_rule_of_one_target_is_silent_for_the_others() -> None:
    assert ftc("compile", "-t", "llamafactory", "hardware=alauda-vgpu", "train.cutoff_len=512").stderr == ""
    long = f"name={'a' * 60}"
    assert ftc("compile", "-t", "llamafactory", long).exit_code == 0
    assert "FTC501" in errors(long)[0]


def test_a_finding_on_a_setting_of_a_group_is_in_the_file_of_the_group() -> None:
    (line,) = errors("hardware.bf16=false")
    assert "conf/hardware/nvidia.yaml:" in line


def test_settings_that_a_command_does_not_use_are_not_checked() -> None:
    vendor = (*COMMAND, "trainer.llamafactory=0.0.1", "hardware.bf16=false")
    assert [d for d in found(*vendor, targets=("volcano",)) if d.severity is Severity.ERROR] == []


def test_a_tuning_type_of_another_release_is_reported_once() -> None:
    told = [d for d in found("method=oft-sft", *OLDER) if d.severity is Severity.ERROR]
    assert [(d.code, ".".join(map(str, d.path))) for d in told] == [("FTC404", "method.finetuning_type")]
    assert "0.9.3" in told[0].message
    assert "0.9.5" in told[0].help
    other = [d.path[-1] for d in found("method=oft-sft", *OLDER, "train.lerning_rate=1.0") if d.code == "FTC404"]
    assert other == ["finetuning_type", "lerning_rate"]


# Valid configurations that look wrong. A driver on the host next to the vendor's runtime and suffixes of quantities
# occur only in fragments; limits without requests occur only in manifests of others, since ftc writes both.
RIGHT = (
    ("hardware=gaudi2", *COMMAND, "env.HCCL_SOCKET_IFNAME=eth0", "env.HCCL_OVER_OFI=1"),
    ("hardware=mi300x", *COMMAND, "env.NCCL_DEBUG=INFO"),
    ("hardware=hygon-dcu", *COMMAND, "image=team/dtk:1", "env.NCCL_SOCKET_IFNAME=eth0"),
    ("hardware=metax-c500", *COMMAND, "image=team/maca:1", "env.NCCL_DEBUG=INFO"),
    ("hardware=iluvatar-bi-v150", *COMMAND, "env.NCCL_DEBUG=INFO", "image=team/corex:1"),
    ("hardware=ascend", "train.flash_attn=fa2", NO_BUG),
    ("hardware=ascend", "hardware.device.resource=huawei.com/Ascend910"),
    ("hardware=ascend-910c", "hardware.device.resource=huawei.com/Ascend910"),
    ("hardware=metax-c500", "image=team/maca:1", "train.quantization_device_map=null"),
    *((f"hardware={h}", *COMMAND, "env.GLOO_SOCKET_IFNAME=eth0") for h in ("nvidia", "ascend", "gaudi2", "mi210")),
    ("hardware=ascend", "env.TP_SOCKET_IFNAME=eth0"),
    ("hardware=ascend-910b-host-mounts",),
    ("master_port=8888", "nodes=2", "devices=8", "train.ddp_timeout=180000000"),
    (TRAIN % "resources: {limits: {ephemeral-storage: 20G}, requests: {ephemeral-storage: 20G}}",),
    ("hardware.device.resource=gpus.team.example/slot",),
)


@pytest.mark.parametrize("overrides", RIGHT, ids=" ".join)
def test_a_valid_configuration_is_not_reported(overrides: tuple[str, ...]) -> None:
    told = found(*overrides, targets=("volcano",))
    assert [d for d in told if d.severity is not Severity.NOTE] == []


def test_the_labels_of_a_vendor_are_on_the_pods() -> None:
    labels = template("hardware=ascend-910b-mindcluster")["metadata"]["labels"]
    assert labels["ring-controller.atlas"] == "ascend-910b"


def test_a_network_overrides_the_hardware_and_the_user_overrides_both() -> None:
    assert variables(trainer("hardware=rtx-4090", "network=rdma"))["NCCL_IB_DISABLE"] == "0"
    assert variables(trainer("network=rdma", "env.NCCL_IB_DISABLE=1"))["NCCL_IB_DISABLE"] == "1"


def test_a_chip_without_bf16_trains_in_fp16() -> None:
    assert found("hardware=t4") == ()
