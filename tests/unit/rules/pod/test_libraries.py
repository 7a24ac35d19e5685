"""Rules on the variables that the libraries of a device read, and their misspelled names."""

from __future__ import annotations

import pytest

from unit.compiling import found
from unit.rules.pairs import Pair, passes, refuses

IN_POD = "pod={spec: {containers: [{name: train, env: [{name: %s}]}]}}"
PAIRS = (
    Pair(
        "FTC315",
        ("hardware=ascend", "env.NCCL_IB_HCA=mlx5_0"),
        ("hardware=ascend", "env.HCCL_SOCKET_IFNAME=eth0"),
        "env.NCCL_IB_HCA",
    ),
    Pair("FTC315", ("env.NCCL_SOCKET_IFNANE=eth0",), ("env.NCCL_SOCKET_IFNAME=eth0",), "env.NCCL_SOCKET_IFNANE"),
    Pair(
        "FTC315", ("env.TORCH_CUDA_ALLOC_CONF=a:b",), ("env.PYTORCH_CUDA_ALLOC_CONF=a:b",), "env.TORCH_CUDA_ALLOC_CONF"
    ),
    Pair("FTC315", ("cluster.env.HF_HUB_OFLINE=0",), ("cluster.env.HF_HUB_OFFLINE=0",), "cluster.env.HF_HUB_OFLINE"),
    Pair(
        "FTC315",
        ("hardware=ascend", "env.HCCL_CONECT_TIMEOUT=1200"),
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=1200"),
        "env.HCCL_CONECT_TIMEOUT",
    ),
    Pair(
        "FTC315",
        ("pod={spec: {containers: [{name: train, env: [{name: NCLL_DEBUG, value: INFO}]}]}}",),
        ("pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}",),
        "pod.spec.containers",
    ),
    Pair("FTC315", ("env.HCCL_BUFFSIZE=200",), ("env.NCCL_BUFFSIZE=200",), "env.HCCL_BUFFSIZE"),
    Pair(
        "FTC315",
        ("hardware=ascend", "cluster.env={PYTORCH_CUDA_ALLOC_CONF: a}"),
        ("hardware=ascend", "cluster.env={PYTORCH_NPU_ALLOC_CONF: a}"),
        "cluster.env",
    ),
    Pair(
        "FTC316",
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=60"),
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=120"),
        "env.HCCL_CONNECT_TIMEOUT",
    ),
    Pair(
        "FTC316",
        ("hardware=ascend", "env.NPU_FA2_SPARSE_MODE=1"),
        ("hardware=ascend", "env.NPU_FA2_SPARSE_MODE=2"),
        "env.NPU_FA2_SPARSE_MODE",
    ),
    Pair(
        "FTC316",
        ("hardware=ascend", "env.INF_NAN_MODE_ENABLE=0"),
        ("hardware=ascend", "env.INF_NAN_MODE_ENABLE=0", "env.INF_NAN_MODE_FORCE_DISABLE=1"),
        "env.INF_NAN_MODE_ENABLE",
    ),
    Pair(
        "FTC316",
        ("hardware=ascend-910c", "env.INF_NAN_MODE_ENABLE=0"),
        ("hardware=ascend-910a", "image=a/b:1", "env.INF_NAN_MODE_ENABLE=0"),
        "env.INF_NAN_MODE_ENABLE",
    ),
    Pair("FTC317", ("env.CUDA_VISIBLE_DEVICES=0",), ("hardware=cpu", "env.CUDA_VISIBLE_DEVICES=''"), "env"),
    Pair("FTC317", ("hardware=ascend", "env.ASCEND_RT_VISIBLE_DEVICES=0"), ("hardware=ascend",), "env"),
    *(
        Pair(
            code,
            ("hardware=ascend", IN_POD % wrong),
            ("hardware=ascend", IN_POD % right),
            "pod.spec.containers.0.env.0",
        )
        for code, wrong, right in (
            ("FTC315", "NCCL_IB_HCA, value: mlx5_0", "GLOO_SOCKET_IFNAME, value: eth0"),
            ("FTC316", "HCCL_CONNECT_TIMEOUT, value: '60'", "HCCL_CONNECT_TIMEOUT, value: '1200'"),
            ("FTC317", "ASCEND_RT_VISIBLE_DEVICES, value: '0'", "ASCEND_GLOBAL_LOG_LEVEL, value: '3'"),
        )
    ),
    Pair(
        "FTC318",
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a"),
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a", "env.OPTIM_TORCH=0"),
        "env.PYTORCH_CUDA_ALLOC_CONF",
    ),
    Pair(
        "FTC318",
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a"),
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a", "launcher=torchrun"),
        "env.PYTORCH_CUDA_ALLOC_CONF",
    ),
    Pair(
        "FTC343",
        ("hardware=ascend", 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True,max_split_size_mb:128"'),
        ("hardware=ascend", 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:False,max_split_size_mb:128"'),
        "env.PYTORCH_NPU_ALLOC_CONF",
    ),
    Pair(
        "FTC343",
        ("hardware=ascend", 'env={PYTORCH_NPU_ALLOC_CONF: "page_size:1g", PYTORCH_ALLOC_CONF: "a:b"}'),
        ("hardware=ascend", 'env={PYTORCH_NPU_ALLOC_CONF: "page_size:1g"}'),
        "env.PYTORCH_NPU_ALLOC_CONF",
    ),
)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_rule_reports_the_key_with_a_remedy(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_nearest_valid_configuration_passes(pair: Pair) -> None:
    passes(pair)


@pytest.mark.parametrize(
    ("name", "help_"),
    [
        ("NCCL_SOCKET_IFNAME", "use HCCL_SOCKET_IFNAME; its values may differ"),
        ("NCCL_IB_TC", "use HCCL_RDMA_TC; its values may differ"),
        ("NCCL_IB_TIMEOUT", "use HCCL_RDMA_TIMEOUT; its values may differ"),
        ("NCCL_IB_HCA", "see the variables of hccl"),
    ],
)
def test_the_help_names_the_variable_of_the_other_library(name: str, help_: str) -> None:
    assert [d.help for d in found("hardware=ascend", f"env.{name}=1") if d.code == "FTC315"] == [help_]
