"""Rules on the software for the chip: the image, DeepSpeed, FSDP and torch.distributed."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.spec.method import DeepSpeed, Fsdp
from ftc.trainer.arguments import chosen, set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.cluster import Hardware

_PLACEHOLDER = re.compile(r"([^/]+\.)?example\.(com|org|net)(:[0-9]+)?/.*")
_OFFICIAL = re.compile(r"(docker\.io/)?hiyouga/llamafactory:(?P<tag>[^@]+)(@.*)?")


_ONE_VENDOR_ONLY = ("use_unsloth", "use_kt", "enable_liger_kernel")


def chip_unsupported_by_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory supports the chip.

    It supports the device types xpu, npu, mps and cuda. On any other it finds no device and trains on the CPU. A
    vendor's fork may support more: hardware.llamafactory=true.
    Source: LLaMA-Factory, extras/misc.py (get_device_count).

    Wrong: hardware=gaudi2
    Right: hardware=gaudi2 launcher=command launcher.command=[python,train.py]
    """
    if spec.hardware.llamafactory is False and spec.trains:
        message = f"LLaMA-Factory does not support this hardware of {spec.hardware.vendor}"
        help_ = "run your own program (launcher=command), or an image with a fork: hardware.llamafactory=true"
        yield Finding(("hardware", "llamafactory"), message, help_)


def image_needs_trainer_for_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image contains LLaMA-Factory built for the chip.

    For some hardware such an image is not published: the default image contains only the vendor's PyTorch, and the run
    ends in its first second (`llamafactory-cli is missing`).
    Source: ftc, conf/hardware (image, llamafactory).

    Wrong: hardware=mi300x
    Right: hardware=mi300x image=registry.example.com/team/llamafactory-rocm:0.9.5
    """
    unset = spec.image == spec.hardware.image and not _PLACEHOLDER.fullmatch(spec.image)
    if spec.hardware.llamafactory is None and unset and spec.trains:
        message = "may not contain LLaMA-Factory for this hardware"
        yield Finding(("image",), message, "build one on the vendor's PyTorch and set image=…")


def placeholder_image(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image exists.

    Some vendors give their images only to customers, so the option has a placeholder that no node can pull.
    Source: ftc, conf/hardware (image).

    Wrong: hardware=cambricon-mlu590 launcher=command launcher.command=[python,train.py]
    Right: hardware=cambricon-mlu590 launcher=command launcher.command=[python,train.py] image=registry.mine/mlu:1
    """
    if spec.image == spec.hardware.image and _PLACEHOLDER.fullmatch(spec.image):
        yield Finding(("image",), f"{spec.image} is a placeholder for your own image", "set image=…")


def official_image_for_other_hardware(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An official image of LLaMA-Factory has the tag for this hardware.

    The tags contain different builds of PyTorch. A build for another chip finds no device, or lacks its kernels. Tags
    without a suffix are for CUDA, -npu-a2 and -910b- for Ascend A2, -npu-a3 and -a3- for A3.
    Source: LLaMA-Factory, .github/workflows/docker.yml.

    Wrong: hardware=ascend image=hiyouga/llamafactory:0.9.5
    Right: hardware=ascend image=hiyouga/llamafactory:0.9.5-npu-a2
    """
    hardware = spec.hardware
    if _is_for(hardware, spec.image):
        return
    message = f"{spec.image} is not built for this hardware of {hardware.vendor or 'no vendor'}"
    # A pin may have replaced the image of the option.
    named, like = (
        hardware.llamafactory_tags or hardware.llamafactory_not_tags,
        "" if hardware.llamafactory_tags else "not ",
    )
    pattern = f"use an image whose tag is {like}like {' or '.join(named)}, and pin that"
    help_ = f"use an image such as {hardware.image}" if _is_for(hardware, hardware.image) else pattern
    yield Finding(("image",), message, help_)


def _is_for(hardware: Hardware, image: str) -> bool:
    """Whether an image may be for the hardware; images of others than LLaMA-Factory are unknown."""
    official = _OFFICIAL.fullmatch(image)
    if official is None:
        return True
    tags, tag = hardware.llamafactory_tags, official["tag"]
    fits = not tags or any(fnmatchcase(tag, pattern) for pattern in tags)
    return fits and not any(fnmatchcase(tag, pattern) for pattern in hardware.llamafactory_not_tags)


def deepspeed_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """DeepSpeed has an accelerator for the chip.

    Upstream DeepSpeed has cuda, cpu, xpu, npu, mps, hpu, mlu, sdaa and supa. For a vendor's build, set
    hardware.deepspeed to its name.
    Source: DeepSpeed, accelerator/.

    Wrong: hardware=kunlunxin-p800 engine=deepspeed-z2
    Right: hardware=kunlunxin-p800
    """
    if spec.trains and isinstance(spec.engine, DeepSpeed) and spec.hardware.deepspeed is None:
        message = f"DeepSpeed does not support this hardware of {spec.hardware.vendor}"
        yield Finding(
            ("engine",), message, "use engine=ddp, or name the accelerator in your image: hardware.deepspeed=…"
        )


def fsdp1_needs_accelerator(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """FSDP1 needs an accelerator.

    On the CPU it fails with `no available devices` when it wraps the model; FSDP2 works there.
    Source: PyTorch, torch/distributed/fsdp/_init_utils.py.

    Wrong: hardware=cpu engine=fsdp launcher=accelerate devices=2
    Right: hardware=cpu engine=fsdp2 launcher=accelerate devices=2
    """
    first = isinstance(spec.engine, Fsdp) and spec.engine.version == 1
    if first and spec.hardware.device is None and spec.trains:
        message = "FSDP1 needs an accelerator, but the hardware is a CPU"
        yield Finding(("engine",), message, "use engine=fsdp2", (("hardware",),))


def backend_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The backend of torch.distributed is the one for the chip.

    On some devices accelerate uses the given backend, and a wrong one fails; on others it overrides it. gloo moves
    every tensor through the host.
    Source: accelerate, state.py (_prepare_backend).

    Wrong: train.ddp_backend=gloo
    Right: train.ddp_backend=nccl
    """
    backend, own = arguments_of(spec).get("ddp_backend"), spec.hardware.collective
    if isinstance(backend, str) and own is not None and backend != own:
        message = f"{backend} is not the backend of this hardware: {own}"
        yield Finding(set_at(spec, "ddp_backend"), message, "leave it out: accelerate chooses it")


def feature_unsupported_by_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A library that is written for one vendor's chips is not used on others.

    Unsloth and KTransformers are for CUDA. Liger works only in part on Ascend 910, and ms-swift lists it as unsupported
    there.
    Source: ms-swift, docs/source_en/BestPractices/NPU-support.md.

    Wrong: hardware=ascend train.enable_liger_kernel=true
    Right: hardware=nvidia train.enable_liger_kernel=true
    """
    if spec.hardware.distributed_type == "MULTI_GPU" and spec.hardware.device is not None:
        return
    arguments = arguments_of(spec)
    for name in [name for name in _ONE_VENDOR_ONLY if arguments.get(name) is True]:
        yield Finding(set_at(spec, name), "is written for another vendor's chips", "leave it out")


def arguments_of(spec: JobSpec) -> dict[str, object]:
    """The trainer's arguments; empty for a command."""
    return chosen(spec) if spec.trains else {}


RULES = (
    Rule("FTC324", "chip-unsupported-by-trainer", chip_unsupported_by_trainer, JobSpec),
    Rule("FTC325", "image-needs-trainer-for-chip", image_needs_trainer_for_chip, JobSpec, Severity.WARNING),
    Rule("FTC326", "placeholder-image", placeholder_image, JobSpec, Severity.WARNING),
    Rule("FTC327", "official-image-for-other-hardware", official_image_for_other_hardware, JobSpec),
    Rule("FTC337", "deepspeed-unsupported-by-chip", deepspeed_unsupported_by_chip, JobSpec),
    Rule("FTC340", "fsdp1-needs-accelerator", fsdp1_needs_accelerator, JobSpec),
    Rule("FTC338", "backend-unsupported-by-chip", backend_unsupported_by_chip, JobSpec, Severity.WARNING),
    Rule("FTC339", "feature-unsupported-by-chip", feature_unsupported_by_chip, JobSpec, Severity.WARNING),
)
