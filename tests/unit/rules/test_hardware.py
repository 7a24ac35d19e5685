"""Rules on hardware: counting and sharing devices, features of the chip, and configurations that must pass."""

from __future__ import annotations

import pytest

from ftc.diagnostics.model import Severity
from ftc.rules.catalogue import OF_SPECS
from unit.compiling import COMMAND, found, template, trainer, variables
from unit.rules.test_rules import named

ON_VOLCANO = "cluster.hami_with_volcano=true"
INITS = "pod.spec.initContainers=[{name: fetch-model, resources: {limits: {%s}}}]"
TRAIN = "pod.spec.containers=[{name: train, %s}]"

# fa2 crashes with transformers 5.6.0, the default.
NO_BUG = "trainer.transformers=5.5.4"
# The code of a rule, a configuration that it reports, the nearest valid one, and the path of the finding.
PAIRS = (
    (
        "FTC308",
        ("hardware=ascend-910a-mindcluster", "devices=3"),
        ("hardware=ascend-910a-mindcluster", "devices=4"),
        "devices",
    ),
    (
        "FTC308",
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=7"),
        ("hardware=ascend-910c-hami", ON_VOLCANO, "devices=6"),
        "devices",
    ),
    ("FTC308", ("hardware=ascend-910b-vnpu", "devices=2"), ("hardware=ascend-910b-vnpu",), "devices"),
    (
        "FTC308",
        ("hardware=ascend-910b-box16-mindcluster", "devices=9"),
        ("hardware=ascend-910b-box16-mindcluster", "devices=10"),
        "devices",
    ),
    (
        "FTC309",
        ("hardware=ascend-910c-mindcluster", "nodes=2", "devices=1"),
        ("hardware=ascend-910c-mindcluster", "nodes=2", "devices=16"),
        "devices",
    ),
    (
        "FTC310",
        ("hardware=nvidia-hami", "hardware.device.slices.cores.quantity=200"),
        ("hardware=nvidia-hami", "hardware.device.slices.cores.quantity=100"),
        "hardware.device.slices.cores.quantity",
    ),
    (
        "FTC310",
        ("hardware=ascend-910b3-hami-slice", "hardware.device.slices.memory.quantity=65537"),
        ("hardware=ascend-910b3-hami-slice", "hardware.device.slices.memory.quantity=65536"),
        "hardware.device.slices.memory.quantity",
    ),
    (
        "FTC311",
        ("hardware=a100-80gb-mig", "hardware.device.resource=nvidia.com/mig-1g.5gb"),
        (
            "hardware=a100-80gb-mig",
            "hardware.device.resource=nvidia.com/mig-1g.10gb",
            "hardware.device.memory_mib=10240",
        ),
        "hardware.device.resource",
    ),
    (
        "FTC311",
        ("hardware=a100-80gb-mig", "hardware.device.resource=nvidia.com/mig-1g.10gb"),
        ("hardware=a100-80gb-mig",),
        "hardware.device.memory_mib",
    ),
    (
        "FTC312",
        ("hardware=volcano-vgpu",),
        ("hardware=volcano-vgpu", "cluster.gang_jobs=true"),
        "hardware.device.allocator",
    ),
    (
        "FTC313",
        ("hardware=nvidia-hami", "pod.spec.nodeName=gpu-1"),
        ("hardware=nvidia-hami", "pod.spec.nodeSelector={gpu: 'on'}"),
        "pod.spec.nodeName",
    ),
    (
        "FTC313",
        ("hardware=nvidia-hami", TRAIN % "securityContext: {privileged: true}"),
        ("hardware=nvidia", TRAIN % "securityContext: {privileged: true}"),
        "pod.spec.containers",
    ),
    ("FTC314", (INITS % 'nvidia.com/gpu: "1"',), (INITS % "ephemeral-storage: 9Gi",), "pod.spec.initContainers"),
    (
        "FTC315",
        ("hardware=ascend", "env.NCCL_IB_HCA=mlx5_0"),
        ("hardware=ascend", "env.HCCL_SOCKET_IFNAME=eth0"),
        "env.NCCL_IB_HCA",
    ),
    ("FTC315", ("env.NCCL_SOCKET_IFNANE=eth0",), ("env.NCCL_SOCKET_IFNAME=eth0",), "env.NCCL_SOCKET_IFNANE"),
    ("FTC315", ("env.TORCH_CUDA_ALLOC_CONF=a:b",), ("env.PYTORCH_CUDA_ALLOC_CONF=a:b",), "env.TORCH_CUDA_ALLOC_CONF"),
    ("FTC315", ("cluster.env.HF_HUB_OFLINE=0",), ("cluster.env.HF_HUB_OFFLINE=0",), "cluster.env.HF_HUB_OFLINE"),
    (
        "FTC315",
        ("hardware=ascend", "env.HCCL_CONECT_TIMEOUT=1200"),
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=1200"),
        "env.HCCL_CONECT_TIMEOUT",
    ),
    (
        "FTC315",
        ("pod={spec: {containers: [{name: train, env: [{name: NCLL_DEBUG, value: INFO}]}]}}",),
        ("pod={spec: {containers: [{name: train, env: [{name: NCCL_DEBUG, value: INFO}]}]}}",),
        "pod.spec.containers",
    ),
    ("FTC348", ("env.HF_ENDPOINT=hf-mirror.com",), ("env.HF_ENDPOINT=HTTPS://hf-mirror.com",), "env.HF_ENDPOINT"),
    (
        "FTC348",
        ("cluster.env.WANDB_BASE_URL=wandb:8080",),
        ("cluster.env.WANDB_BASE_URL=http://wandb:8080",),
        "cluster",
    ),
    ("FTC315", ("env.HCCL_BUFFSIZE=200",), ("env.NCCL_BUFFSIZE=200",), "env.HCCL_BUFFSIZE"),
    (
        "FTC315",
        ("hardware=ascend", "cluster.env={PYTORCH_CUDA_ALLOC_CONF: a}"),
        ("hardware=ascend", "cluster.env={PYTORCH_NPU_ALLOC_CONF: a}"),
        "cluster.env",
    ),
    (
        "FTC316",
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=60"),
        ("hardware=ascend", "env.HCCL_CONNECT_TIMEOUT=120"),
        "env.HCCL_CONNECT_TIMEOUT",
    ),
    (
        "FTC316",
        ("hardware=ascend", "env.NPU_FA2_SPARSE_MODE=1"),
        ("hardware=ascend", "env.NPU_FA2_SPARSE_MODE=2"),
        "env.NPU_FA2_SPARSE_MODE",
    ),
    (
        "FTC316",
        ("hardware=ascend", "env.INF_NAN_MODE_ENABLE=0"),
        ("hardware=ascend", "env.INF_NAN_MODE_ENABLE=0", "env.INF_NAN_MODE_FORCE_DISABLE=1"),
        "env.INF_NAN_MODE_ENABLE",
    ),
    (
        "FTC316",
        ("hardware=ascend-910c", "env.INF_NAN_MODE_ENABLE=0"),
        ("hardware=ascend-910a", "image=a/b:1", "env.INF_NAN_MODE_ENABLE=0"),
        "env.INF_NAN_MODE_ENABLE",
    ),
    (
        "FTC341",
        ("hardware=cpu", TRAIN % "resources: {limits: {nvidia.com/gpu: 1}}"),
        ("hardware=cpu", TRAIN % "resources: {limits: {example.com/nic: 1}}"),
        "pod.spec.containers",
    ),
    (
        "FTC347",
        ("network.resource=rdma/hca", "env.NCCL_IB_DISABLE=1"),
        ("network.resource=rdma/hca",),
        "env.NCCL_IB_DISABLE",
    ),
    (
        "FTC347",
        (TRAIN % "resources: {limits: {rdma/hca: 1}}", "env.NCCL_IB_DISABLE=1"),
        (TRAIN % "resources: {limits: {example.com/nic: 1}}", "env.NCCL_IB_DISABLE=1"),
        "env.NCCL_IB_DISABLE",
    ),
    (
        "FTC340",
        ("hardware=cpu", "engine=fsdp", "launcher=accelerate", "nodes=2"),
        ("hardware=cpu", "engine=fsdp2", "launcher=accelerate", "nodes=2"),
        "engine",
    ),
    ("FTC317", ("env.CUDA_VISIBLE_DEVICES=0",), ("hardware=cpu", "env.CUDA_VISIBLE_DEVICES=''"), "env"),
    ("FTC317", ("hardware=ascend", "env.ASCEND_RT_VISIBLE_DEVICES=0"), ("hardware=ascend",), "env"),
    (
        "FTC318",
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a"),
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a", "env.OPTIM_TORCH=0"),
        "env.PYTORCH_CUDA_ALLOC_CONF",
    ),
    (
        "FTC318",
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a"),
        ("devices=2", "env.PYTORCH_CUDA_ALLOC_CONF=a", "launcher=torchrun"),
        "env.PYTORCH_CUDA_ALLOC_CONF",
    ),
    (
        "FTC319",
        ("network=rdma", "env.NCCL_IB_DISABLE=1"),
        ("network=rdma", "env.NCCL_IB_HCA=mlx5"),
        "env.NCCL_IB_DISABLE",
    ),
    ("FTC319", ("network=rdma", "hardware=rtx-4090"), ("network=rdma", "hardware=h100"), "hardware.env"),
    (
        "FTC343",
        ("hardware=ascend", 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:True,max_split_size_mb:128"'),
        ("hardware=ascend", 'env.PYTORCH_NPU_ALLOC_CONF="expandable_segments:False,max_split_size_mb:128"'),
        "env.PYTORCH_NPU_ALLOC_CONF",
    ),
    (
        "FTC343",
        ("hardware=ascend", 'env={PYTORCH_NPU_ALLOC_CONF: "page_size:1g", PYTORCH_ALLOC_CONF: "a:b"}'),
        ("hardware=ascend", 'env={PYTORCH_NPU_ALLOC_CONF: "page_size:1g"}'),
        "env.PYTORCH_NPU_ALLOC_CONF",
    ),
    (
        "FTC344",
        ("hardware=ascend", "network=host-ascend", "master_port=60031"),
        ("hardware=ascend", "network=host-ascend", "master_port=60032"),
        "master_port",
    ),
    ("FTC345", ("nodes=2", "env.NCCL_SOCKET_IFNAME=lo"), ("env.NCCL_SOCKET_IFNAME=lo",), "env.NCCL_SOCKET_IFNAME"),
    (
        "FTC345",
        ("nodes=2", "env.GLOO_SOCKET_IFNAME=docker0"),
        ("nodes=2", "env.GLOO_SOCKET_IFNAME='^lo,docker0'"),
        "env.GLOO_SOCKET_IFNAME",
    ),
    ("FTC346", ("nodes=2", "env.NCCL_IB_HCA=mlx5_0"), ("nodes=2", "network=host", "env.NCCL_IB_HCA=mlx5_0"), "env"),
    ("FTC320", ("network.resource=rdma/hca",), ("network=rdma", "network.resource=rdma/hca"), "network.resource"),
    ("FTC321", ("nodes=2", "pod.spec.hostNetwork=true"), ("nodes=2", "network=host"), "pod.spec.hostNetwork"),
    ("FTC322", ("hardware=ascend", "network=host"), ("hardware=ascend", "network=host-ascend"), "network"),
    ("FTC322", ("hardware=ascend", "env.HCCL_IF_IP=10.0.0.1"), ("hardware=ascend",), "env.HCCL_IF_IP"),
    (
        "FTC323",
        (
            "hardware=ascend",
            "storage.workspace.mount_path=/usr/local/Ascend",
            "storage.cache.path=/usr/local/Ascend/cache",
        ),
        (
            "hardware=ascend",
            "storage.workspace.mount_path=/usr/local/Ascend2",
            "storage.cache.path=/usr/local/Ascend2/cache",
        ),
        "hardware.environment_scripts",
    ),
    ("FTC324", ("hardware=gaudi2",), ("hardware=gaudi2", *COMMAND), "hardware.llamafactory"),
    ("FTC324", ("hardware=cambricon-mlu370",), ("hardware=ascend",), "hardware.llamafactory"),
    ("FTC325", ("hardware=mi300x",), ("hardware=mi300x", "image=team/rocm:1"), "image"),
    ("FTC326", ("hardware=iluvatar-bi-v150",), ("hardware=iluvatar-bi-v150", "image=team/corex:1"), "image"),
    (
        "FTC327",
        ("hardware=ascend", "image=hiyouga/llamafactory:0.9.5"),
        ("hardware=ascend", "image=hiyouga/llamafactory:latest-910b-ubuntu"),
        "image",
    ),
    ("FTC327", ("image=hiyouga/llamafactory:0.9.5-npu-a2",), ("image=hiyouga/llamafactory:0.9.4",), "image"),
    (
        "FTC327",
        ("hardware=ascend-910c", "image=hiyouga/llamafactory:latest-910b-ubuntu"),
        ("hardware=ascend-910c", "image=hiyouga/llamafactory:latest-a3-ubuntu"),
        "image",
    ),
    (
        "FTC328",
        ("hardware=hygon-dcu", "train.bf16=true", "train.fp16=false"),
        ("hardware=hygon-dcu", "train.bf16=true", "train.fp16=false", "hardware.bf16=true"),
        "train.bf16",
    ),
    ("FTC330", ("train.bf16=false",), ("train.bf16=false", "train.fp16=true"), "train"),
    ("FTC330", ("train.bf16=false",), ("hardware=cpu", "train.bf16=false"), "train"),
    ("FTC331", ("hardware=a100-80gb", "train.fp8=true"), ("hardware=h100", "train.fp8=true"), "train.fp8"),
    ("FTC332", ("hardware=t4", "train.flash_attn=fa2"), ("hardware=t4", "train.flash_attn=sdpa"), "train.flash_attn"),
    ("FTC332", ("hardware=v100", "train.flash_attn=fa2"), ("hardware=l40s", "train.flash_attn=fa2", NO_BUG), "train"),
    (
        "FTC332",
        ("hardware=ascend", "train.flash_attn=fa3"),
        ("hardware=ascend", "train.flash_attn=fa2", NO_BUG),
        "train",
    ),
    (
        "FTC334",
        ("hardware=mi300x", "train.flash_attn=fa2"),
        ("hardware=mi300x", "train.flash_attn=fa2", "hardware.fa2=true", NO_BUG),
        "train.flash_attn",
    ),
    (
        "FTC334",
        ("hardware=ascend", "train.flash_attn=fa2", "trainer.llamafactory=0.9.3", "trainer.transformers=4.51.1"),
        ("hardware=ascend", "train.flash_attn=fa2", NO_BUG),
        "train.flash_attn",
    ),
    ("FTC335", ("hardware=ascend", "train.quantization_bit=4"), ("train.quantization_bit=4",), "train"),
    (
        "FTC335",
        ("hardware=metax-c500", "train.quantization_bit=8"),
        ("hardware=metax-c500", "train.quantization_bit=8", "train.quantization_method=hqq"),
        "train.quantization_bit",
    ),
    ("FTC336", ("hardware=cpu", "train.quantization_bit=4"), ("hardware=mi210", "train.quantization_bit=4"), "train"),
    ("FTC337", ("hardware=kunlunxin-p800", "engine=deepspeed-z2"), ("hardware=kunlunxin-p800",), "engine"),
    ("FTC338", ("train.ddp_backend=gloo",), ("train.ddp_backend=nccl",), "train.ddp_backend"),
    ("FTC338", ("hardware=ascend", "train.ddp_backend=nccl"), ("hardware=ascend",), "train.ddp_backend"),
    (
        "FTC339",
        ("hardware=ascend", "train.enable_liger_kernel=true"),
        ("train.enable_liger_kernel=true",),
        "train.enable_liger_kernel",
    ),
)
RULES = {rule.code: rule for rule in OF_SPECS}


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_a_rule_reports_the_key_with_a_remedy(
    pair: tuple[str, tuple[str, ...], tuple[str, ...], str],
) -> None:
    code, wrong, _, key = pair
    everything = found(*wrong, targets=(RULES[code].target or "volcano",))
    told = [d for d in everything if d.code == code]
    assert told, everything
    for diagnostic in told:
        assert ".".join(map(str, diagnostic.path)).startswith(key)
        assert diagnostic.position is not None
        assert diagnostic.help
        assert "\n" not in diagnostic.message + diagnostic.help
        assert diagnostic.severity is RULES[code].severity


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_the_nearest_valid_configuration_passes(
    pair: tuple[str, tuple[str, ...], tuple[str, ...], str],
) -> None:
    code, _, right, _ = pair
    told = found(*right, targets=(RULES[code].target or "volcano",))
    assert code not in {d.code for d in told}
    assert [d for d in told if d.severity is Severity.ERROR] == []


# Valid configurations that look wrong. A driver on the host next to the vendor's runtime and suffixes of quantities
# occur only in fragments; limits without requests occur only in manifests of others, since ftc writes both.
RIGHT = (
    ("hardware=gaudi2", *COMMAND, "env.HCCL_SOCKET_IFNAME=eth0", "env.HCCL_OVER_OFI=1"),
    ("hardware=mi300x", *COMMAND, "env.NCCL_DEBUG=INFO"),
    ("hardware=hygon-dcu", *COMMAND, "env.NCCL_SOCKET_IFNAME=eth0"),
    ("hardware=metax-c500", *COMMAND, "env.NCCL_DEBUG=INFO"),
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
