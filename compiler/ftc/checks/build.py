"""Rules on the image that is made for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.checks.rule import Finding, Rule
from ftc.diagnostics.model import Severity
from ftc.spec.launcher import Command
from ftc.trainer import pins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan
    from ftc.spec.job import JobSpec


def image_is_for_a_trainer(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An image is made for LLaMA-Factory.

    What a program of your own needs is not known here. Its image comes from its vendor, or from a Dockerfile of yours.

    Wrong: launcher=command 'launcher.command=[python,train.py]' image=registry.example.com/vendor:1.0
    Right: launcher=torchrun image=registry.example.com/team/llamafactory:0.9.5
    """
    if isinstance(spec.launcher, Command):
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

    A Dockerfile that leaves versions to pip ends when one of them moves on: LLaMA-Factory's main with transformers
    4.51.1 stops at its start (`transformers>=4.55.0,<=5.6.0 is required`, extras/misc.py), and 0.9.3 with today's
    pyarrow gets a numpy that it cannot use.

    Wrong: trainer.transformers=5.2.0
    Right: trainer.llamafactory=0.9.3 trainer.transformers=4.51.1
    """
    if isinstance(spec.launcher, Command) or pins.pair(spec.trainer) in pins.pairs():
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


RULES = (
    Rule("FTC410", image_is_for_a_trainer, target="image", needed=True),
    Rule("FTC411", hardware_has_a_base, target="image", needed=True),
    Rule("FTC412", pair_has_pins, target="image", needed=True),
    Rule("FTC413", image_has_a_name_of_its_own, Severity.WARNING, target="image"),
)
