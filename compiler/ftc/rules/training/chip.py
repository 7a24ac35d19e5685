"""Rules on the software that drives the chip: the image, DeepSpeed, FSDP and torch.distributed."""

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

_PLACEHOLDER = re.compile(r"([^/]+\.)?example\.(com|org|net)(:[0-9]+)?/.*")


_OFFICIAL = re.compile(r"(docker\.io/)?hiyouga/llamafactory:(?P<tag>[^@]+)(@.*)?")


_ONE_VENDOR_ONLY = ("use_unsloth", "use_kt", "enable_liger_kernel")


def chip_is_driven(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory drives the chip.

    It knows the device types xpu, npu, mps and cuda; on any other it counts no device and trains on the CPU
    (LLaMA-Factory, extras/misc.py, get_device_count). A vendor's fork may do better: hardware.llamafactory=true.

    Wrong: hardware=gaudi2
    Right: hardware=gaudi2 launcher=command launcher.command=[python,train.py]
    """
    if spec.hardware.llamafactory is False and spec.trains:
        message = f"LLaMA-Factory does not drive this hardware of {spec.hardware.vendor}"
        help_ = "run a program of your own (launcher=command), or an image with a fork: hardware.llamafactory=true"
        yield Finding(("hardware", "llamafactory"), message, help_)


def image_holds_the_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image holds LLaMA-Factory built for the chip.

    For some hardware no such image is published: the default one holds the vendor's PyTorch only, and the run ends in
    its first second (`llamafactory-cli is missing`).

    Wrong: hardware=mi300x
    Right: hardware=mi300x image=registry.example.com/team/llamafactory-rocm:0.9.5
    """
    unset = spec.image == spec.hardware.image and not _PLACEHOLDER.fullmatch(spec.image)
    if spec.hardware.llamafactory is None and unset and spec.trains:
        message = "is not known to hold LLaMA-Factory for this hardware"
        yield Finding(("image",), message, "build one on the vendor's PyTorch and set image=…")


def image_is_named(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image is one that exists.

    Some vendors give their images to customers only, so the option has a placeholder: no node can pull it.

    Wrong: hardware=cambricon-mlu590 launcher=command launcher.command=[python,train.py]
    Right: hardware=cambricon-mlu590 launcher=command launcher.command=[python,train.py] image=registry.mine/mlu:1
    """
    if spec.image == spec.hardware.image and _PLACEHOLDER.fullmatch(spec.image):
        yield Finding(("image",), f"{spec.image} stands for an image that only you have", "set image=…")


def image_is_for_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """LLaMA-Factory's own image is the one for this hardware.

    Its tags hold different builds of PyTorch: one for another chip sees no device, or misses its kernels
    (LLaMA-Factory, docker.yml: no suffix is CUDA, -npu-a2 and -910b- are Ascend A2, -npu-a3 and -a3- are A3).

    Wrong: hardware=ascend image=hiyouga/llamafactory:0.9.5
    Right: hardware=ascend image=hiyouga/llamafactory:0.9.5-npu-a2
    """
    official = _OFFICIAL.fullmatch(spec.image)
    tags, others = spec.hardware.llamafactory_tags, spec.hardware.llamafactory_not_tags
    if official is None:
        return
    tag = official["tag"]
    fits = not tags or any(fnmatchcase(tag, pattern) for pattern in tags)
    if not fits or any(fnmatchcase(tag, pattern) for pattern in others):
        message = f"{spec.image} is not built for hardware of {spec.hardware.vendor or 'no vendor'}"
        yield Finding(("image",), message, f"the one for it is like {spec.hardware.image}")


def deepspeed_drives_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """DeepSpeed has an accelerator for the chip.

    Upstream they are cuda, cpu, xpu, npu, mps, hpu, mlu, sdaa and supa (DeepSpeed, accelerator/). With a vendor's build
    set hardware.deepspeed to its name.

    Wrong: hardware=kunlunxin-p800 engine=deepspeed-z2
    Right: hardware=kunlunxin-p800
    """
    if spec.trains and isinstance(spec.engine, DeepSpeed) and spec.hardware.deepspeed is None:
        message = f"DeepSpeed has no accelerator for this hardware of {spec.hardware.vendor}"
        yield Finding(("engine",), message, "use engine=ddp, or name that of your image: hardware.deepspeed=…")


def first_fsdp_has_a_device(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """FSDP1 shards over accelerators.

    On the CPU PyTorch's first form of it finds `no available devices` when it wraps the model
    (torch/distributed/fsdp/_init_utils.py); FSDP2 works there.

    Wrong: hardware=cpu engine=fsdp launcher=accelerate devices=2
    Right: hardware=cpu engine=fsdp2 launcher=accelerate devices=2
    """
    first = isinstance(spec.engine, Fsdp) and spec.engine.version == 1
    if first and spec.hardware.device is None and spec.trains:
        message = "FSDP1 needs an accelerator, and there is none"
        yield Finding(("engine",), message, "use engine=fsdp2", (("hardware",),))


def backend_of_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The backend of torch.distributed is the one of the chip.

    accelerate takes a user's on some devices, where a wrong one fails, and overwrites it on others (accelerate,
    state.py, _prepare_backend); gloo moves every tensor over the host.

    Wrong: train.ddp_backend=gloo
    Right: train.ddp_backend=nccl
    """
    backend, own = arguments_of(spec).get("ddp_backend"), spec.hardware.collective
    if isinstance(backend, str) and own is not None and backend != own:
        message = f"{backend} is not the backend of this hardware, which is {own}"
        yield Finding(set_at(spec, "ddp_backend"), message, "leave it out: accelerate chooses it")


def feature_is_for_the_chip(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A library that is written for one vendor's chips is not switched on elsewhere.

    Unsloth and KTransformers are for CUDA; Liger works in part on Ascend 910, and ms-swift lists it as not supported
    there.

    Wrong: hardware=ascend train.enable_liger_kernel=true
    Right: hardware=nvidia train.enable_liger_kernel=true
    """
    if spec.hardware.distributed_type == "MULTI_GPU" and spec.hardware.device is not None:
        return
    arguments = arguments_of(spec)
    for name in [name for name in _ONE_VENDOR_ONLY if arguments.get(name) is True]:
        yield Finding(set_at(spec, name), "is written for another vendor's chips", "leave it out")


def arguments_of(spec: JobSpec) -> dict[str, object]:
    """The trainer's arguments; a command has none."""
    return chosen(spec) if spec.trains else {}


RULES = (
    Rule("FTC324", "chip-unsupported-by-trainer", chip_is_driven, JobSpec),
    Rule("FTC325", "image-needs-trainer-for-chip", image_holds_the_trainer, JobSpec, Severity.WARNING),
    Rule("FTC326", "placeholder-image", image_is_named, JobSpec, Severity.WARNING),
    Rule("FTC327", "official-image-for-other-hardware", image_is_for_the_chip, JobSpec),
    Rule("FTC337", "deepspeed-unsupported-by-chip", deepspeed_drives_the_chip, JobSpec),
    Rule("FTC340", "fsdp1-needs-accelerator", first_fsdp_has_a_device, JobSpec),
    Rule("FTC338", "backend-unsupported-by-chip", backend_of_the_chip, JobSpec, Severity.WARNING),
    Rule("FTC339", "feature-unsupported-by-chip", feature_is_for_the_chip, JobSpec, Severity.WARNING),
)
