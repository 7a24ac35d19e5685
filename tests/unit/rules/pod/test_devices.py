"""Rules on the devices that a container requests."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

TRAIN = "pod.spec.containers=[{name: train, %s}]"
PAIRS = (
    Pair("FTC301", ("devices=9",), ("devices=8",), "devices"),
    Pair(
        "FTC307",
        ("hardware=alauda-vgpu", "hardware.device.resource=nvidia.com/gpumem"),
        ("hardware=alauda-vgpu", "hardware.device.resource=nvidia.com/gpu"),
        "hardware.device.slices",
    ),
    Pair(
        "FTC341",
        ("hardware=ascend", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}"),
        ("hardware=ascend", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 0}}}]}}"),
        "pod.spec.containers",
    ),
    Pair(
        "FTC341",
        ("hardware=ascend", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}"),
        ("hardware=nvidia", "pod={spec: {containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]}}"),
        "pod.spec.containers",
    ),
    Pair(
        "FTC341",
        (
            "hardware=nvidia",
            "pod.spec.containers=[{name: train, resources: {limits: {volcano.sh/vgpu-cores: 8}}}]",
        ),
        ("hardware=nvidia", "pod={spec: {containers: [{name: train, resources: {limits: {rdma/hca: 8}}}]}}"),
        "pod.spec.containers",
    ),
    Pair(
        "FTC342",
        ("hardware.device.resource=nvidia.com/gpus",),
        ("hardware.device.resource=nvidia.com/mig-1g.5gb.me",),
        "hardware.device.resource",
    ),
    Pair(
        "FTC342",
        ("hardware=ascend", "hardware.device.resource=huawei.com/ascend910"),
        ("hardware=ascend", "hardware.device.resource=huawei.com/Ascend910B5"),
        "hardware.device.resource",
    ),
    Pair(
        "FTC341",
        ("hardware=cpu", TRAIN % "resources: {limits: {nvidia.com/gpu: 1}}"),
        ("hardware=cpu", TRAIN % "resources: {limits: {example.com/nic: 1}}"),
        "pod.spec.containers",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
