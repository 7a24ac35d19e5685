"""Trainings that exceed the memory of a device are reported, with a change that fits."""

from __future__ import annotations

import re
import time

import pytest

from ftc.diagnostics.model import Diagnostic, Severity
from unit.compiling import COMMAND, found
from unit.rules.pairs import Pair, Words, pages, passes, refuses, split

CARD = "hardware=h800 model=qwen3-8b"
SMALL = f"{CARD} hardware.device.memory_mib=24576"
FULL = f"{CARD} method=full-sft"


def told(overrides: Words) -> list[Diagnostic]:
    return [d for d in found(*split(overrides)) if d.code in ("FTC701", "FTC702")]


HOST = "hardware.memory_gib_per_device"
LARGE = "hardware=h800 model=qwen3-32b method=lora-sft hardware.memory_gib_per_device=48"
# 32.8 billion parameters with 18 bytes each are 549 GiB.
OFFLOADED = (
    "hardware=rtx-4090 model=qwen3-32b method=full-sft launcher=torchrun devices=2 engine=deepspeed-z3-offload "
    "train.cutoff_len=512"
)
TO_DISK = (
    "hardware=h800 model=qwen3-14b method=full-sft devices=2 hardware.memory_gib_per_device=96 engine=deepspeed-z2 "
    "'engine.config={zero_optimization: {offload_optimizer: {device: nvme}}}'"
)
FSDP = "hardware=h800 model=qwen3-32b method=full-sft devices=2 launcher=accelerate engine=fsdp2-offload"

# The weights take 27.5 GiB of the volume, and as much again while the adapter is merged.
IN_MEMORY = (
    "hardware=h800 model=qwen3-14b storage=per-pod storage.workspace.size=40Gi hardware.memory_gib_per_device=48"
)

HUGE = "hardware=t4 model=llama-3.1-70b-instruct"
TINY = "hardware=t4 model=qwen3-0.6b"
LIGER = "train.enable_liger_kernel=true"
OFT = "method=oft-sft devices=2"
SPREAD = f"model=llama-3.1-70b-instruct hardware=h800 {OFT}"
OTHERS = ("method=oft-sft", "method=freeze-sft", LIGER)
REFERENCES = ("method=full-dpo dataset=dpo-mix-en", "method=full-kto dataset=kto-mix-15k")


def limited(memory: str) -> str:
    inner = f"{{name: train, resources: {{limits: {{memory: {memory}}}, requests: {{memory: {memory}}}}}}}"
    return f"'pod={{spec: {{containers: [{inner}]}}}}'"


KEY = "hardware.device.memory_mib"
PAIRS = (
    Pair("FTC701", f"{SMALL} method=full-sft", f"{SMALL} train.cutoff_len=512", KEY),
    Pair("FTC701", f"{SMALL} {FULL} devices=8 engine=deepspeed-z2", f"{FULL} devices=8 engine=deepspeed-z3", KEY),
    *(Pair("FTC701", f"{HUGE} {method}", f"{TINY} {method}", KEY) for method in OTHERS),
    *(Pair("FTC701", f"{HUGE} {method}", f"{TINY} {method} hardware=h800", KEY) for method in REFERENCES),
    # 70.6 billion parameters are 131 GiB, a half 66 GiB, and 33 GiB in 4 bits.
    Pair("FTC701", f"{HUGE} hardware=h800 {LIGER}", f"{HUGE} hardware=h800 {LIGER} train.quantization_bit=4", KEY),
    Pair("FTC701", f"{SPREAD} engine=deepspeed-z2", f"{SPREAD} engine=deepspeed-z3", KEY),
    Pair("FTC701", f"{SPREAD} engine=deepspeed-z2", f"{SPREAD} launcher=accelerate engine=fsdp2", KEY),
    Pair("FTC701", f"{HUGE} {OFT} engine=deepspeed-z3", f"{HUGE} {OFT} engine=deepspeed-z3-offload", KEY),
    Pair("FTC702", SMALL, CARD, KEY),
    Pair("FTC702", f"{FULL} devices=8", f"{FULL} devices=8 engine=deepspeed-z3", KEY),
    Pair("FTC702", f"{CARD} train.per_device_train_batch_size=16", f"{CARD} train.per_device_train_batch_size=4", KEY),
    Pair("FTC702", f"{CARD} train.cutoff_len=16384", f"{CARD} train.cutoff_len=4096", KEY),
    Pair("FTC703", LARGE, f"{LARGE} hardware.memory_gib_per_device=70", HOST),
    Pair("FTC703", LARGE, f"{LARGE} method.merge=null", HOST),
    Pair("FTC703", LARGE, f"{LARGE} method.merge.export_device=auto", HOST),
    Pair("FTC703", OFFLOADED, f"{OFFLOADED} hardware.memory_gib_per_device=280", HOST),
    Pair("FTC703", OFFLOADED, OFFLOADED.replace("qwen3-32b", "qwen3-4b"), HOST),
    Pair("FTC703", TO_DISK.replace("nvme", "cpu"), TO_DISK, HOST),
    Pair("FTC703", FSDP, FSDP.replace("-offload", ""), HOST),
    Pair("FTC703", f"{LARGE} {limited('48Gi')}", f"{LARGE} {limited('64Gi')}", "pod.spec.containers.0.resources"),
    Pair("FTC703", f"{IN_MEMORY} storage.workspace.in_memory=true", IN_MEMORY, HOST),
    Pair("FTC703", "hardware=cpu model=qwen3-14b", "hardware=cpu model=qwen3-4b", HOST),
    Pair("FTC702", "hardware=alauda-vgpu", "hardware=alauda-vgpu train.cutoff_len=512", KEY),
)
ALL = [*PAIRS, *pages(PAIRS)]


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_training_that_does_not_fit_is_reported(pair: Pair) -> None:
    refuses(pair)


@pytest.mark.parametrize("pair", ALL, ids=str)
def test_a_training_that_fits_passes(pair: Pair) -> None:
    passes(pair)
    assert pair.code == "FTC703" or told(pair.right) == []


@pytest.mark.parametrize(
    "overrides",
    [
        SMALL,
        f"{SMALL} method=full-sft",
        FULL,
        f"{FULL} devices=8",
        f"{CARD} train.per_device_train_batch_size=16",
        f"{CARD} train.disable_gradient_checkpointing=true train.cutoff_len=8192",
        "hardware=alauda-vgpu model=qwen3-0.6b",
        "hardware=h800 model=qwen3-8b method=full-dpo dataset=dpo-mix-en",
        "hardware=h800 model=qwen2.5-vl-7b-instruct hardware.device.memory_mib=16384",
    ],
)
def test_the_suggested_change_fits(overrides: str) -> None:
    (diagnostic,) = told(overrides)
    advice = diagnostic.help.partition(" reduces it ")[0].split()
    assert advice
    chosen = {word.partition("=")[0] for word in advice} & {"method", "engine"}
    kept = [word for word in overrides.split() if word.partition("=")[0] not in chosen]
    everything = found(*kept, *advice)
    assert [d for d in everything if d.code in ("FTC701", "FTC702") or d.severity is Severity.ERROR] == []


def test_the_message_lists_the_terms() -> None:
    (diagnostic,) = told(f"{FULL} devices=8")
    for term in ("optimizer", "weights", "gradients", "GiB"):
        assert term in diagnostic.message
    assert diagnostic.help.startswith("engine=deepspeed-z2 reduces it")
    (diagnostic,) = told(f"{CARD} train.per_device_train_batch_size=16")
    assert diagnostic.help.startswith(
        "train.per_device_train_batch_size=8 train.gradient_accumulation_steps=16 reduces"
    )


def test_a_huge_batch_is_checked_quickly() -> None:
    began = time.process_time()
    (diagnostic,) = told(f"{CARD} train.per_device_train_batch_size=2147483647")
    assert time.process_time() - began < 5
    assert "train.per_device_train_batch_size=" in diagnostic.help


def test_the_help_says_if_no_change_fits() -> None:
    (diagnostic,) = told(f"{CARD} hardware.device.memory_mib=1024 hardware.device.per_node=1")
    assert "a smaller model" in diagnostic.help


NEAR = "model=qwen3-32b hardware=rtx-4090 method=qlora-sft train.per_device_train_batch_size=1 train.cutoff_len=512"


def test_near_the_limit_the_message_has_the_free_memory() -> None:
    (diagnostic,) = told(NEAR)
    need, have, left = re.findall(r"([0-9.]+) GiB", diagnostic.message)[:3]
    assert float(left) == pytest.approx(float(have) - float(need), abs=0.11)
    assert "off by 15 %" in diagnostic.message
    assert "nothing" not in diagnostic.help
    assert "may fit" in diagnostic.help


def test_beyond_the_limit_the_message_omits_free_memory() -> None:
    (diagnostic,) = told(f"{NEAR} train.per_device_train_batch_size=4")
    assert "leaves" not in diagnostic.message


CUSTOM = "hardware=h800 model=custom model.id=a/b model.template=qwen3"


@pytest.mark.parametrize(
    "overrides",
    [
        "hardware=rtx-4090 model=qwen3-32b method=full-sft devices=8 launcher=accelerate engine=fsdp2",
        "hardware=t4 model=qwen2.5-72b-instruct train.bf16=false train.fp16=true hardware.memory_gib_per_device=320",
    ],
)
def test_more_nodes_are_suggested_if_one_does_not_suffice(overrides: str) -> None:
    (diagnostic,) = told(overrides)
    advice = diagnostic.help.partition(" reduces it ")[0].split()
    assert any(part.startswith("nodes=") for part in advice)
    chosen = {word.partition("=")[0] for word in advice}
    kept = [word for word in overrides.split() if word.partition("=")[0] not in chosen]
    everything = found(*kept, *advice)
    assert [d for d in everything if d.code in ("FTC701", "FTC702") or d.severity is Severity.ERROR] == []


def test_more_nodes_are_not_suggested_without_sharding() -> None:
    (diagnostic,) = told("hardware=rtx-4090 model=qwen3-32b method=full-sft devices=8 hardware.deepspeed=null")
    assert "nodes=" not in diagnostic.help


SHARDED = f"{FULL} devices=8 engine=deepspeed-z3"


@pytest.mark.parametrize(
    "overrides",
    [
        CUSTOM,
        "hardware=nvidia model=qwen3-8b method=full-sft",
        "hardware=cpu model=qwen3-8b method=full-sft",
        f"{SMALL} model=none dataset=none method=none {' '.join(COMMAND)}",
        f"{FULL} train.use_galore=true",
        f"{FULL} train.bf16=false",
        f"{FULL} train.optim=lomo",
        f"{CARD} train.cutoff_len=long",
        f"{FULL} engine=deepspeed-z2 'engine.config={{zero_optimization: {{reduce_bucket_size: auto}}}}'",
        f"{FULL} engine=deepspeed-z3 'engine.config={{zero_optimization: 3}}'",
        f"{SHARDED} 'engine.config={{zero_optimization: {{offload_optimizer: cpu}}}}'",
    ],
)
def test_an_unknown_size_is_not_checked(overrides: str) -> None:
    assert told(overrides) == []


def test_a_custom_model_is_checked_with_its_given_sizes() -> None:
    sizes = (
        "parameters: 8190735360, hidden_size: 4096, intermediate_size: 12288, layers: 36, attention_heads: 32, "
        "kv_heads: 8, head_size: 128, vocabulary: 151936, context_length: 40960"
    )
    given = f"{CUSTOM} 'model.architecture={{{sizes}}}'"
    assert told(given) == []
    assert [d.code for d in told(f"{given} method=full-sft")] == ["FTC702"]


def test_host_memory_is_reported_with_a_sufficient_size() -> None:
    (diagnostic,) = [d for d in found(*OFFLOADED.split()) if d.code == "FTC703"]
    assert "96.0 GiB" in diagnostic.message
    assert "549" in diagnostic.message
    enough = diagnostic.help.removeprefix("set ")
    assert 275 < int(enough.partition("=")[2]) < 330
    assert "FTC703" not in {d.code for d in found(*OFFLOADED.split(), enough)}


def test_nodes_share_offloaded_memory() -> None:
    shared = "storage=shared hardware.memory_gib_per_device=160"
    assert "FTC703" in {d.code for d in found(*OFFLOADED.split(), *shared.split())}
    assert "FTC703" not in {d.code for d in found(*OFFLOADED.split(), *shared.split(), "nodes=2")}


def test_a_copy_of_the_model_in_memory_is_counted_separately() -> None:
    staged = "storage.model_in_memory_gib=70"
    assert "FTC703" in {d.code for d in found(*LARGE.split(), staged)}


@pytest.mark.parametrize(
    "overrides",
    ["hardware=volcano-vgpu model=qwen3-8b", "hardware=nvidia-hami model=qwen3-8b method=full-sft"],
)
def test_on_a_slice_a_larger_slice_is_suggested_instead_of_more_of_them(overrides: str) -> None:
    (finding,) = told(overrides)
    assert "nodes=" not in finding.help
    assert "devices=" not in finding.help
    key = finding.help.partition("larger slice: ")[2]
    assert key.startswith("hardware.device.slices.memory.quantity=")
    assert told(f"{overrides} {key}") == []


@pytest.mark.parametrize(
    "overrides",
    [
        "hardware=a100-80gb-mig model=qwen3-32b method=full-sft",
        "hardware=hygon-dcu-hami model=qwen3-32b method=full-sft",
    ],
)
def test_no_larger_slice_is_suggested_if_the_device_has_none(overrides: str) -> None:
    (finding,) = told(overrides)
    assert not any(key in finding.help for key in ("nodes=", " devices=", "slices.memory"))
