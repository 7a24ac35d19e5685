"""Rules on device counts, shares and partitions, and on the schedulers that allocate devices."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

ON_VOLCANO = "cluster.hami_with_volcano=true"
TRAIN = "pod.spec.containers=[{name: train, %s}]"
INITS = "pod.spec.initContainers=[{name: fetch-model, resources: {limits: {%s}}}]"
PAIRS = (
    Pair(
        "FTC303",
        ("hardware=alauda-vgpu",),
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true"),
        "hardware.device.resource",
    ),
    Pair(
        "FTC304",
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true", "devices=2"),
        ("hardware=alauda-vgpu", "cluster.hami_with_volcano=true", "devices=1"),
        "devices",
    ),
    Pair(
        "FTC308",
        ("hardware=ascend-910a-mindcluster", "devices=3"),
        ("hardware=ascend-910a-mindcluster", "devices=4"),
        "devices",
    ),
    Pair(
        "FTC308",
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=7"),
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=6"),
        "devices",
    ),
    Pair(
        "FTC308",
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=1"),
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=2"),
        "devices",
    ),
    Pair("FTC308", ("hardware=ascend-910b-vnpu", "devices=2"), ("hardware=ascend-910b-vnpu",), "devices"),
    Pair(
        "FTC308",
        ("hardware=ascend-910b-box16-mindcluster", "devices=9"),
        ("hardware=ascend-910b-box16-mindcluster", "devices=10"),
        "devices",
    ),
    Pair(
        "FTC309",
        ("hardware=ascend-910c-mindcluster", "nodes=2", "devices=1"),
        ("hardware=ascend-910c-mindcluster", "nodes=2", "devices=16"),
        "devices",
    ),
    *(
        Pair(
            "FTC732",
            f"hardware={option} hardware.device.memory_mib=12288",
            f"hardware={option} hardware.device.slices.memory.quantity=12288",
            "hardware.device.memory_mib",
        )
        for option in ("volcano-vgpu", "nvidia-hami", "amd-hami", "hygon-dcu-hami", "ascend-910b3-hami-slice")
    ),
    Pair(
        "FTC732",
        "hardware=volcano-vgpu hardware.device.memory_mib=12288",
        "hardware=nvidia-hami-percentage hardware.device.memory_mib=40960",
        "hardware.device.memory_mib",
    ),
    Pair(
        "FTC310",
        ("hardware=nvidia-hami", "hardware.device.slices.cores.quantity=200"),
        ("hardware=nvidia-hami", "hardware.device.slices.cores.quantity=100"),
        "hardware.device.slices.cores.quantity",
    ),
    Pair(
        "FTC310",
        ("hardware=ascend-910b3-hami-slice", "hardware.device.slices.memory.quantity=65537"),
        ("hardware=ascend-910b3-hami-slice", "hardware.device.slices.memory.quantity=65536"),
        "hardware.device.slices.memory.quantity",
    ),
    Pair(
        "FTC311",
        ("hardware=a100-80gb-mig", "hardware.device.resource=nvidia.com/mig-1g.5gb"),
        (
            "hardware=a100-80gb-mig",
            "hardware.device.resource=nvidia.com/mig-1g.10gb",
            "hardware.device.memory_mib=10240",
        ),
        "hardware.device.resource",
    ),
    Pair(
        "FTC311",
        ("hardware=a100-80gb-mig", "hardware.device.resource=nvidia.com/mig-1g.10gb"),
        ("hardware=a100-80gb-mig",),
        "hardware.device.memory_mib",
    ),
    Pair(
        "FTC312",
        ("hardware=volcano-vgpu",),
        ("hardware=volcano-vgpu", "cluster.gang_jobs=true"),
        "hardware.device.allocator",
    ),
    Pair(
        "FTC313",
        ("hardware=nvidia-hami", "pod.spec.nodeName=gpu-1"),
        ("hardware=nvidia-hami", "pod.spec.nodeSelector={gpu: 'on'}"),
        "pod.spec.nodeName",
    ),
    Pair(
        "FTC313",
        ("hardware=nvidia-hami", TRAIN % "securityContext: {privileged: true}"),
        ("hardware=nvidia", TRAIN % "securityContext: {privileged: true}"),
        "pod.spec.containers",
    ),
    Pair("FTC314", (INITS % 'nvidia.com/gpu: "1"',), (INITS % "ephemeral-storage: 9Gi",), "pod.spec.initContainers"),
    Pair("FTC314", (INITS % 'nvidia.com/gpu: "1"',), (INITS % 'nvidia.com/gpu: "0"',), "pod.spec.initContainers"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
