"""Rules on the image that is made for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.pod.images import is_mutable
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec
from ftc.trainer import pins
from ftc.trainer.arguments import set_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan


def image_is_for_a_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image is made for LLaMA-Factory.

    What a program of your own needs is not known here. Its image comes from its vendor, or from a Dockerfile of yours.

    Wrong: launcher=command 'launcher.command=[python,train.py]' image=registry.example.com/vendor:1.0
    Right: launcher=torchrun image=registry.example.com/team/llamafactory:0.9.5
    """
    if not spec.trains:
        message = "what a command needs in its image is not known here"
        yield Finding(("launcher",), message, "name an image that has it (image=…), and leave -t image out")


def hardware_has_a_base(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The hardware names the image that others are built on.

    A driver's libraries, the vendor's PyTorch and the Python that it is for come from the vendor's image; pip's PyTorch
    in their place finds no device (torch.cuda.is_available() is false, or `No module named 'torch_npu'`).

    Wrong: hardware.build=null
    Right: hardware=nvidia
    """
    if spec.hardware.build is None:
        message = "is null: there is nothing to build on for this hardware"
        help_ = "set hardware.build.base=… and what goes with it (see `ftc list build`), or use the vendor's image"
        yield Finding(("hardware", "build"), message, f"{help_} (image=…)")


def pair_has_pins(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The packages of an image are pinned, for one pair of llamafactory and transformers.

    A Dockerfile that leaves versions to pip ends when one of them is_mutable on: LLaMA-Factory's main with transformers
    4.51.1 stops at its start (`transformers>=4.55.0,<=5.6.0 is required`, extras/misc.py), and 0.9.3 with today's
    pyarrow gets a numpy that it cannot use.

    Wrong: trainer.transformers=5.2.0
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    if not spec.trains or spec.trainer.pair in pins.pairs():
        return
    trainer = spec.trainer
    message = f"there are no pins for llamafactory {trainer.llamafactory} with transformers {trainer.transformers}"
    known = ", ".join(name.replace("+", " with transformers ") for name in pins.pairs())
    yield Finding(("trainer",), message, f"use one of: {known}; or an image that holds your pair (image=…)")


def image_has_a_name_of_its_own(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The key `image` names what is built, so that the job runs it.

    The default is an image that others publish: a job without `image` would run that one, and its registry refuses a
    push to its name (`denied: requested access to the resource is denied`).

    Wrong: hardware=nvidia
    Right: hardware=nvidia image=registry.example.com/team/llamafactory:0.9.5
    """
    if spec.image == spec.hardware.image:
        message = f"{spec.image} is the default of the hardware, which the job would run in place of yours"
        yield Finding(("image",), message, "name yours: image=registry.example.com/team/llamafactory:…")


_ADD = "leave it out; or take `--ignore FTC414`, and add the package, pinned, to the Dockerfile"


def packages_have_pins(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """What the arguments ask for is among the pins.

    LLaMA-Factory and transformers look for an optional package when they are asked for it, which is when the run
    starts: `PackageNotFoundError: … To fix: run `pip install liger-kernel`` (hparams/parser.py).

    Wrong: train.enable_liger_kernel=true image=registry.example.com/team/llamafactory:0.9.5
    Right: train.enable_liger_kernel=false image=registry.example.com/team/llamafactory:0.9.5
    """
    if spec.method is not None and spec.method.quantize is not None:
        yield Finding(("method", "quantize"), "asks for optimum and gptqmodel, which have no pins here", _ADD)
    for argument, package in pins.unpinned(spec).items():
        yield Finding(set_at(spec, argument), f"asks for {package}, which has no pin here", _ADD)


def base_has_a_version(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The image that others are built on is named with a version.

    What `latest` is changes without a word: the same Dockerfile gives another PyTorch for another driver a month
    later, and the pins above it were chosen for the one of today.

    Wrong: hardware.build.base=python:latest image=registry.example.com/team/llamafactory:0.9.5
    Right: hardware.build.base=python:3.11-slim image=registry.example.com/team/llamafactory:0.9.5
    """
    build = spec.hardware.build
    if build is not None and is_mutable(build.base):
        help_ = "name a version, or a digest (…@sha256:…)"
        yield Finding(("hardware", "build", "base"), f"{build.base} is another image from one day to the next", help_)


RULES = (
    Rule("FTC410", "image-target-needs-trainer", image_is_for_a_trainer, JobSpec, target="image", needed=True),
    Rule("FTC411", "hardware-needs-base-image", hardware_has_a_base, JobSpec, target="image", needed=True),
    Rule("FTC412", "versions-without-pins", pair_has_pins, JobSpec, target="image", needed=True),
    Rule("FTC413", "built-image-not-used", image_has_a_name_of_its_own, JobSpec, Severity.WARNING, target="image"),
    Rule("FTC414", "package-without-pin", packages_have_pins, JobSpec, target="image"),
    Rule("FTC415", "base-image-needs-version", base_has_a_version, JobSpec, Severity.WARNING, target="image"),
)
