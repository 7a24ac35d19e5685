"""Rules on precision, attention and quantization."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.patterns import lazily
from ftc.rules.rule import Finding, Rule
from ftc.rules.training.chip import arguments_of
from ftc.rules.training.subject import Training
from ftc.spec.job import JobSpec
from ftc.trainer.arguments import set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


# Quantization methods in the names of repositories: Qwen2.5-7B-Instruct-GPTQ-Int4, llama-3-8b-bnb-4bit.
_QUANTIZED = lazily(
    r"(?<![a-z])(?:awq|gptq|aqlm|hqq|eetq|bnb|quip|w4a16|w8a8|w8a16|int[348]|[348]-?bits?)(?![a-z])", re.IGNORECASE
)
_FP8 = re.compile(r"(?<![a-z])fp8(?![a-z])|deepseek-(?:v3|r1)(?:[-.][0-9]+)?$", re.IGNORECASE)


def quantized(model: str) -> bool:
    """Whether the name of a model says that LLaMA-Factory loads its weights quantized."""
    return _QUANTIZED.search(_name(model)) is not None


def _name(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]


def quantized_checkpoint_sharded(run: Training) -> Iterator[Finding]:
    """A checkpoint with quantized weights is not sharded.

    LLaMA-Factory stops when it loads the model: `DeepSpeed ZeRO-3 or FSDP is incompatible with PTQ-quantized models`.
    From 0.9.5 on it restores FP8 weights first. ftc reads the quantization from the name of the model.
    Source: LLaMA-Factory, model/model_utils/quantization.py (configure_quantization).

    Wrong: model=custom model.id=Qwen/Qwen2.5-7B-Instruct-AWQ model.template=qwen method.merge=null
      engine=deepspeed-z3 devices=8
    Right: model=custom model.id=Qwen/Qwen2.5-7B-Instruct-AWQ model.template=qwen method.merge=null
      engine=deepspeed-z2 devices=8
    """
    model = run.model or ""
    keeps_fp8 = "fp8" not in (run.schema("quantization_method").get("enum") or ())
    if run.sharded and (quantized(model) or (keeps_fp8 and _FP8.search(_name(model)))):
        message = f"{run.sharded} cannot shard the quantized weights of {model}"
        help_ = ({"deepspeed": None}, {"zero_stage": 2}, "train the model that is not quantized, with quantization_bit")
        yield Finding(("model_name_or_path",), message, help_, (("deepspeed",),))


def conflicting_precisions(run: Training) -> Iterator[Finding]:
    """A training has one precision.

    transformers stops: `At most one of fp16 and bf16 can be True, but not both`.
    Source: transformers, training_args.py.

    Wrong: train.fp16=true
    Right: train.fp16=true train.bf16=false
    """
    if run.on("bf16") and run.on("fp16"):
        yield Finding(("fp16",), "bf16 and fp16 are both on", ({"bf16": False}, {"fp16": False}), run.along("bf16"))


def attention_unsupported_by_release(run: Training) -> Iterator[Finding]:
    """FlashAttention 3 is used only if LLaMA-Factory supports it.

    Releases up to 0.9.5 raise `NotImplementedError: Unknown attention type: fa3` after the model's configuration is
    loaded.
    Source: LLaMA-Factory, model/model_utils/attention.py.

    Wrong: hardware=h100 train.flash_attn=fa3
    Right: hardware=h100 train.flash_attn=sdpa
    """
    if run.value("flash_attn") == "fa3" and not run.facts.has_flash_attention_3:
        message = f"llamafactory {run.release} does not support fa3"
        yield Finding(("flash_attn",), message, ({"flash_attn": "sdpa"}, "leave it out: auto"))


def flash_attention_crashes(run: Training) -> Iterator[Finding]:
    """FlashAttention 2 is not used with a version of transformers in which it crashes.

    transformers 5.6.0 fails in the first step: `AttributeError: 'NoneType' object has no attribute 'to'`. The official
    images of LLaMA-Factory 0.9.5 contain it; an image of `ftc compile -t image` has transformers 5.5.4.
    Source: transformers 5.6.0, integrations/flash_attention.py (s_aux).

    Wrong: hardware=h100 train.flash_attn=fa2
    Right: hardware=h100 train.flash_attn=sdpa
    """
    if run.value("flash_attn") == "fa2" and run.facts.flash_attention_2_crashes and not run.assumed:
        other = run.facts.image_transformers
        message = f"fa2 crashes in the first step with transformers {run.versions.transformers}"
        help_ = f"build an image with transformers {other} (`ftc compile -t image`), with trainer.transformers={other}"
        severity = Severity.WARNING if run.any_transformers else None
        yield Finding(("flash_attn",), message, ({"flash_attn": "sdpa"}, help_), severity=severity)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])


def unknown_precision_support(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chip is known to support the chosen precision.

    If it does not, the training is emulated and slow, or stops at its first step.
    Source: PyTorch, torch.cuda.is_bf16_supported; ftc, conf/hardware.

    Wrong: hardware=hygon-dcu train.bf16=true train.fp16=false
    Right: hardware=hygon-dcu hardware.bf16=true train.bf16=true train.fp16=false
    """
    supported = {"bf16": spec.hardware.bf16, "fp16": spec.hardware.fp16, "fp8": spec.hardware.fp8}
    arguments = arguments_of(spec)
    for name in [n for n, has in supported.items() if has is None and arguments.get(n) is True]:
        message = "may be unsupported by the chip"
        yield Finding(set_at(spec, name), message, f"set hardware.{name}=true if the chip supports it")


def pure_bf16_unsupported_by_chip(run: Training) -> Iterator[Finding]:
    """Weights in bf16 need a chip that supports bf16.

    LLaMA-Factory stops with `This device does not support pure_bf16` if PyTorch reports so, but PyTorch silently
    emulates bf16 on older NVIDIA cards.
    Source: PyTorch, torch.cuda.is_bf16_supported.

    Wrong: hardware=t4 train.pure_bf16=true
    Right: hardware=a10 train.pure_bf16=true
    """
    if "bf16" in run.unsupported and run.on("pure_bf16"):
        help_ = {"pure_bf16": False, "fp16": True}
        message = f"{run.unsupported['bf16']} does not support bf16"
        yield Finding(("pure_bf16",), message, help_, (("hardware", "bf16"),))


def full_precision_on_accelerator(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A training on an accelerator uses a 16-bit precision.

    fp32 needs twice the memory and is many times slower. LLaMA-Factory: `We recommend enable mixed precision training`.
    Source: LLaMA-Factory, hparams/parser.py.

    Wrong: train.bf16=false
    Right: train.bf16=false train.fp16=true
    """
    arguments = arguments_of(spec)
    on = any(arguments.get(name) for name in ("bf16", "fp16", "pure_bf16"))
    if spec.hardware.device is not None and not on and spec.trains:
        half = "bf16" if spec.hardware.bf16 else "fp16"
        yield Finding(("train",), "the training runs in fp32", f"set train.{half}=true")


def fp8_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Training in fp8 needs a chip that supports it.

    These are NVIDIA from compute capability 8.9 on, MI300 and Gaudi.
    Source: accelerate, utils/environment.py (check_cuda_fp8_capability).

    Wrong: hardware=a100-80gb train.fp8=true
    Right: hardware=h100 train.fp8=true
    """
    if spec.hardware.fp8 is False and arguments_of(spec).get("fp8") is True:
        yield Finding(
            set_at(spec, "fp8"), "the hardware does not support fp8", "leave it out, or choose other hardware"
        )


def attention_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The chosen attention has kernels for the chip.

    FlashAttention 2 needs Ampere or later, FlashAttention 3 needs Hopper.
    Source: flash-attention, README.

    Wrong: hardware=t4 train.flash_attn=fa2
    Right: hardware=t4 train.flash_attn=sdpa
    """
    supported = {"fa2": spec.hardware.fa2, "fa3": spec.hardware.fa3}
    name = arguments_of(spec).get("flash_attn")
    if name in supported and supported[name] is False:
        yield Finding(
            set_at(spec, "flash_attn"), f"the hardware does not support {name}", "use sdpa, or leave it out: auto"
        )


def attention_missing_from_image(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image contains the chosen attention.

    Without the package LLaMA-Factory says `FlashAttention-2 is not installed.` and continues with another attention. It
    also does so if the package is a vendor's build, or if the release does not support the chip's kernels.
    Source: LLaMA-Factory, model/model_utils/attention.py.

    Wrong: hardware=mi300x train.flash_attn=fa2
    Right: hardware=mi300x train.flash_attn=fa2 hardware.fa2=true trainer.transformers=5.5.4
    """
    if arguments_of(spec).get("flash_attn") != "fa2":
        return
    path, since = set_at(spec, "flash_attn"), spec.hardware.fa2_from
    if spec.hardware.fa2 is None:
        help_ = "use an image with the vendor's build and set hardware.fa2=true, or use sdpa"
        yield Finding(path, "fa2 is used only if the image contains the build for this chip", help_)
    elif spec.hardware.fa2 and since and _release(spec.trainer.llamafactory) < _release(since):
        message = f"llamafactory {spec.trainer.llamafactory} ignores fa2 on this hardware"
        yield Finding(path, message, f"use llamafactory {since} or later, or sdpa")


def bitsandbytes_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Bitsandbytes supports quantization on this chip.

    It has backends for few vendors; on other chips it fails at import or at the first weight. If the image contains
    another build, set hardware.bitsandbytes=[4].
    Source: bitsandbytes, README (table of hardware).

    Wrong: hardware=ascend train.quantization_bit=4
    Right: hardware=nvidia train.quantization_bit=4
    """
    bits = _bits(spec)
    known = spec.hardware.bitsandbytes
    if bits in (4, 8) and known is not None and bits not in known:
        message = f"bitsandbytes does not quantize to {bits} bits on this hardware"
        help_ = "train LoRA without quantization, or set hardware.bitsandbytes if the image has such a build"
        yield Finding(set_at(spec, "quantization_bit"), message, help_)


def unknown_bitsandbytes_support(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Bitsandbytes is known to support this chip.

    Without a backend it fails at import or at the first weight, after the model is downloaded.
    Source: bitsandbytes, README (table of hardware).

    Wrong: hardware=cpu train.quantization_bit=4
    Right: hardware=nvidia train.quantization_bit=4
    """
    if _bits(spec) in (4, 8) and spec.hardware.bitsandbytes is None:
        message = "bitsandbytes may not support this hardware"
        yield Finding(set_at(spec, "quantization_bit"), message, "set hardware.bitsandbytes=[4, 8] if it does")


def _bits(spec: JobSpec) -> object:
    """The number of bits for bitsandbytes; other methods have their own kernels."""
    arguments = arguments_of(spec)
    return arguments.get("quantization_bit") if arguments.get("quantization_method", "bnb") == "bnb" else None


def precision_unsupported_by_chip(run: Training) -> Iterator[Finding]:
    """The chip supports the precision of the training.

    A chip without bf16 silently emulates it and is slow. In a manifest, the chip is the one that a node selector names.
    Source: PyTorch, torch.cuda.is_bf16_supported; ftc, conf/hardware.

    Wrong: hardware.bf16=false
    Right: hardware.bf16=false train.bf16=false train.fp16=true
    """
    for name, other in (("bf16", "fp16"), ("fp16", "bf16")):
        if name in run.unsupported and run.on(name):
            message = f"{run.unsupported[name]} does not support {name}"
            yield Finding((name,), message, {name: False, other: True}, (("hardware", name),))


RULES = (
    Rule("FTC480", "quantized-checkpoint-sharded", quantized_checkpoint_sharded, Training),
    Rule("FTC305", "conflicting-precisions", conflicting_precisions, Training),
    Rule("FTC333", "attention-unsupported-by-release", attention_unsupported_by_release, Training),
    Rule("FTC349", "flash-attention-crashes", flash_attention_crashes, Training),
    Rule("FTC328", "unknown-precision-support", unknown_precision_support, JobSpec, Severity.WARNING),
    Rule("FTC329", "pure-bf16-unsupported-by-chip", pure_bf16_unsupported_by_chip, Training),
    Rule("FTC330", "full-precision-on-accelerator", full_precision_on_accelerator, JobSpec, Severity.WARNING),
    Rule("FTC331", "fp8-unsupported-by-chip", fp8_unsupported_by_chip, JobSpec),
    Rule("FTC332", "attention-unsupported-by-chip", attention_unsupported_by_chip, JobSpec),
    Rule("FTC334", "attention-missing-from-image", attention_missing_from_image, JobSpec, Severity.WARNING),
    Rule("FTC335", "bitsandbytes-unsupported-by-chip", bitsandbytes_unsupported_by_chip, JobSpec),
    Rule("FTC336", "unknown-bitsandbytes-support", unknown_bitsandbytes_support, JobSpec, Severity.WARNING),
    Rule("FTC306", "precision-unsupported-by-chip", precision_unsupported_by_chip, Training),
)
