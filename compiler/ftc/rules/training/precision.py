"""Rules on what a training computes in: precision, attention and quantization."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.accelerators import chips_without_bf16
from ftc.diagnostics.model import Severity
from ftc.manifests.configs import Config
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.chip import arguments_of
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def one_precision(run: Training) -> Iterator[Finding]:
    """A training has one precision.

    transformers says: At most one of fp16 and bf16 can be True, but not both (training_args.py).

    Wrong: train.fp16=true
    Right: train.fp16=true train.bf16=false
    """
    if run.on("bf16") and run.on("fp16"):
        yield Finding(("fp16",), "bf16 and fp16 are both on", ({"bf16": False}, {"fp16": False}), run.along("bf16"))


def attention_of_the_release(run: Training) -> Iterator[Finding]:
    """FlashAttention 3 is used only if LLaMA-Factory supports it.

    Up to 0.9.5 it raises `NotImplementedError: Unknown attention type: fa3` after the model's configuration is loaded
    (LLaMA-Factory, model/model_utils/attention.py).

    Wrong: hardware=h100 train.flash_attn=fa3
    Right: hardware=h100 train.flash_attn=fa2
    """
    if run.value("flash_attn") == "fa3" and not run.facts.has_flash_attention_3:
        message = f"llamafactory {run.release} does not support fa3"
        yield Finding(("flash_attn",), message, ({"flash_attn": "fa2"}, "leave it out: auto"))


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])


def precision_is_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chip is known to have the precision that is chosen.

    Where it has not, the training is emulated and slow, or stops at its first step.

    Wrong: hardware=hygon-dcu train.bf16=true train.fp16=false
    Right: hardware=hygon-dcu hardware.bf16=true train.bf16=true train.fp16=false
    """
    able = {"bf16": spec.hardware.bf16, "fp16": spec.hardware.fp16, "fp8": spec.hardware.fp8}
    arguments = arguments_of(spec)
    for name in [n for n, has in able.items() if has is None and arguments.get(n) is True]:
        message = "is on, and it is not known here whether the chip has it"
        yield Finding(set_at(spec, name), message, f"set hardware.{name}=true if it has")


def pure_precision_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Weights in bf16 need a chip that computes in it.

    LLaMA-Factory says `This device does not support pure_bf16` where PyTorch does, and PyTorch emulates it on older
    NVIDIA cards without a word (torch.cuda.is_bf16_supported).

    Wrong: hardware=t4 train.pure_bf16=true
    Right: hardware=a10 train.pure_bf16=true
    """
    if spec.hardware.bf16 is False and arguments_of(spec).get("pure_bf16") is True:
        yield Finding(set_at(spec, "pure_bf16"), "the hardware has no bf16", "set train.fp16=true instead")


def precision_is_mixed(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A training on an accelerator has a precision of 16 bits.

    In fp32 it takes twice the memory and many times as long. LLaMA-Factory: `We recommend enable mixed precision
    training` (hparams/parser.py).

    Wrong: train.bf16=false
    Right: train.bf16=false train.fp16=true
    """
    arguments = arguments_of(spec)
    on = any(arguments.get(name) for name in ("bf16", "fp16", "pure_bf16"))
    if spec.hardware.device is not None and not on and spec.trains:
        half = "bf16" if spec.hardware.bf16 else "fp16"
        yield Finding(("train",), "the training runs in fp32", f"set train.{half}=true")


def eight_bits_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Training in fp8 needs a chip that has it.

    NVIDIA from compute capability 8.9 on (accelerate, check_cuda_fp8_capability), MI300, Gaudi.

    Wrong: hardware=a100-80gb train.fp8=true
    Right: hardware=h100 train.fp8=true
    """
    if spec.hardware.fp8 is False and arguments_of(spec).get("fp8") is True:
        yield Finding(set_at(spec, "fp8"), "the hardware has no fp8", "leave it out, or choose other hardware")


def attention_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The attention that is chosen has kernels for the chip.

    FlashAttention 2 wants Ampere or later, FlashAttention 3 wants Hopper (flash-attention, README).

    Wrong: hardware=t4 train.flash_attn=fa2
    Right: hardware=t4 train.flash_attn=sdpa
    """
    able = {"fa2": spec.hardware.fa2, "fa3": spec.hardware.fa3}
    name = arguments_of(spec).get("flash_attn")
    if name in able and able[name] is False:
        yield Finding(set_at(spec, "flash_attn"), f"the hardware has no {name}", "use sdpa, or leave it out: auto")


def attention_is_in_the_image(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image holds the attention that is chosen.

    Without the package LLaMA-Factory says `FlashAttention-2 is not installed.` and goes on with another attention, also
    where the package is a vendor's build or its release does not drive the chip's own.

    Wrong: hardware=mi300x train.flash_attn=fa2
    Right: hardware=mi300x train.flash_attn=fa2 hardware.fa2=true
    """
    if arguments_of(spec).get("flash_attn") != "fa2":
        return
    path, since = set_at(spec, "flash_attn"), spec.hardware.fa2_from
    if spec.hardware.fa2 is None:
        help_ = "use an image with the vendor's build and set hardware.fa2=true, or use sdpa"
        yield Finding(path, "fa2 is used only where the image holds the build for this chip", help_)
    elif spec.hardware.fa2 and since and _release(spec.trainer.llamafactory) < _release(since):
        message = f"llamafactory {spec.trainer.llamafactory} ignores fa2 on this hardware"
        yield Finding(path, message, f"use llamafactory {since} or later, or sdpa")


def bits_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Bitsandbytes quantizes on this chip.

    It has backends for few vendors, and elsewhere fails at import or at the first weight (bitsandbytes, README, table
    of hardware). An image with a build of its own: hardware.bitsandbytes=[4].

    Wrong: hardware=ascend train.quantization_bit=4
    Right: hardware=nvidia train.quantization_bit=4
    """
    bits = _bits(spec)
    known = spec.hardware.bitsandbytes
    if bits in (4, 8) and known is not None and bits not in known:
        message = f"bitsandbytes does not quantize to {bits} bits on this hardware"
        help_ = "train LoRA without quantization, or set hardware.bitsandbytes if the image has such a build"
        yield Finding(set_at(spec, "quantization_bit"), message, help_)


def bits_are_known(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Bitsandbytes is known to quantize on this chip.

    Where it has no backend it fails at import or at the first weight, after the model is downloaded (bitsandbytes,
    README, table of hardware).

    Wrong: hardware=cpu train.quantization_bit=4
    Right: hardware=nvidia train.quantization_bit=4
    """
    if _bits(spec) in (4, 8) and spec.hardware.bitsandbytes is None:
        message = "it is not known here whether bitsandbytes runs on this hardware"
        yield Finding(set_at(spec, "quantization_bit"), message, "set hardware.bitsandbytes=[4, 8] if it does")


def _bits(spec: JobSpec) -> object:
    """The bits that bitsandbytes is to quantize to; other methods bring kernels of their own."""
    arguments = arguments_of(spec)
    return arguments.get("quantization_bit") if arguments.get("quantization_method", "bnb") == "bnb" else None


def precision_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chip has the precision that the run trains in.

    A chip without bf16 runs it emulated, slowly and without a word (torch.cuda.is_bf16_supported).

    Wrong: hardware.bf16=false
    Right: hardware.bf16=false train.bf16=false train.fp16=true
    """
    if not spec.trains:
        return
    arguments = chosen(spec)
    able = {"bf16": spec.hardware.bf16, "fp16": spec.hardware.fp16}
    for name in [n for n, has in able.items() if arguments.get(n) is True and has is False]:
        other = "fp16" if name == "bf16" else "bf16"
        help_ = f"set train.{name}=false train.{other}=true"
        yield Finding(set_at(spec, name), f"the hardware has no {name}", help_, (("hardware", name),))


# Rules on manifests.


def precision_of_the_chip_in_manifests(config: Config) -> Iterator[Finding]:
    """The precision is one that the chip has.

    A chip without bf16 runs it emulated, slowly and without a word. Said where the pod asks for such a chip by a label.
    Source: torch.cuda.is_bf16_supported; conf/hardware.

    Wrong: tests/corpus/bad/FTC877-bf16-on-an-old-chip.yaml
    Right: tests/corpus/good/FTC877-fp16-on-an-old-chip.yaml
    """
    step = config.step
    if step is None or config.exports:
        return
    chips = [chip for value in step.pod.spec.node_selector.values() for chip in chips_without_bf16(value)]
    for name in [name for name in ("bf16", "pure_bf16") if config.value(name) is True and chips]:
        yield Finding(config.at(name), f"the pod asks for a {chips[0]}, which has no bf16", "write fp16: true instead")


RULES = (
    Rule("FTC305", "conflicting-precisions", one_precision, Training),
    Rule("FTC333", "attention-unsupported-by-release", attention_of_the_release, Training),
    Rule("FTC328", "precision-not-known-for-chip", precision_is_known, JobSpec, Severity.WARNING),
    Rule("FTC329", "pure-bf16-unsupported-by-chip", pure_precision_of_the_chip, JobSpec),
    Rule("FTC330", "full-precision-on-accelerator", precision_is_mixed, JobSpec, Severity.WARNING),
    Rule("FTC331", "fp8-unsupported-by-chip", eight_bits_of_the_chip, JobSpec),
    Rule("FTC332", "attention-unsupported-by-chip", attention_of_the_chip, JobSpec),
    Rule("FTC334", "attention-missing-from-image", attention_is_in_the_image, JobSpec, Severity.WARNING),
    Rule("FTC335", "bitsandbytes-unsupported-by-chip", bits_of_the_chip, JobSpec),
    Rule("FTC336", "bitsandbytes-not-known-for-chip", bits_are_known, JobSpec, Severity.WARNING),
    Rule("FTC306", "precision-unsupported-by-chip", precision_of_the_chip, JobSpec),
    Rule("FTC877", "unsupported-precision", precision_of_the_chip_in_manifests, Config, Severity.WARNING),
)
