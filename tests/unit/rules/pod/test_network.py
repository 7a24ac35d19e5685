"""Rules on the network of the pod, and on the variables with which the collective library uses it."""

from __future__ import annotations

import pytest

from unit.rules.pairs import Pair, passes, refuses

TRAIN = "pod.spec.containers=[{name: train, %s}]"
PAIRS = (
    Pair(
        "FTC347",
        ("network.resource=rdma/hca", "env.NCCL_IB_DISABLE=1"),
        ("network.resource=rdma/hca",),
        "env.NCCL_IB_DISABLE",
    ),
    Pair(
        "FTC347",
        (TRAIN % "resources: {limits: {rdma/hca: 1}}", "env.NCCL_IB_DISABLE=1"),
        (TRAIN % "resources: {limits: {example.com/nic: 1}}", "env.NCCL_IB_DISABLE=1"),
        "env.NCCL_IB_DISABLE",
    ),
    Pair(
        "FTC319",
        ("network=rdma", "env.NCCL_IB_DISABLE=1"),
        ("network=rdma", "env.NCCL_IB_HCA=mlx5"),
        "env.NCCL_IB_DISABLE",
    ),
    Pair("FTC319", ("network=rdma", "hardware=rtx-4090"), ("network=rdma", "hardware=h100"), "hardware.env"),
    Pair(
        "FTC344",
        ("hardware=ascend", "network=host-ascend", "master_port=60031"),
        ("hardware=ascend", "network=host-ascend", "master_port=60032"),
        "master_port",
    ),
    Pair("FTC345", ("nodes=2", "env.NCCL_SOCKET_IFNAME=lo"), ("env.NCCL_SOCKET_IFNAME=lo",), "env.NCCL_SOCKET_IFNAME"),
    Pair(
        "FTC345",
        ("nodes=2", "env.GLOO_SOCKET_IFNAME=docker0"),
        ("nodes=2", "env.GLOO_SOCKET_IFNAME='^lo,docker0'"),
        "env.GLOO_SOCKET_IFNAME",
    ),
    Pair("FTC346", ("nodes=2", "env.NCCL_IB_HCA=mlx5_0"), ("nodes=2", "network=host", "env.NCCL_IB_HCA=mlx5_0"), "env"),
    Pair("FTC320", ("network.resource=rdma/hca",), ("network=rdma", "network.resource=rdma/hca"), "network.resource"),
    Pair("FTC321", ("nodes=2", "pod.spec.hostNetwork=true"), ("nodes=2", "network=host"), "pod.spec.hostNetwork"),
    Pair("FTC322", ("hardware=ascend", "network=host"), ("hardware=ascend", "network=host-ascend"), "network"),
    Pair("FTC322", ("hardware=ascend", "env.HCCL_IF_IP=10.0.0.1"), ("hardware=ascend",), "env.HCCL_IF_IP"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)
