"""The recipe for an image of the run."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from ftc.plan.types import Recipe
from ftc.trainer import pins

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec

# The scripts need these in addition to bash, Python and the essential packages of Debian.
_TOOLS = ("ca-certificates", "git", "git-lfs")
# DeepSpeed compiles its operators on first use.
_COMPILER = "g++"


def recipe(spec: JobSpec) -> Recipe | None:
    """None for launcher=command, or if base or pins are missing, which the rules on images report."""
    build = spec.hardware.build
    if build is None or not spec.trains or spec.trainer.pair not in pins.pairs():
        return None
    extras, trainer = pins.extras(spec), pins.built(spec.trainer)
    return Recipe(
        image=spec.image,
        llamafactory=trainer.llamafactory,
        transformers=trainer.transformers,
        is_of_trainer=trainer == spec.trainer,
        extras=extras,
        base=build.base,
        tools=(*_TOOLS, _COMPILER) if "deepspeed" in extras else _TOOLS,
        torch=build.torch,
        torch_index=build.torch_index,
        packages=_packages(spec, build.packages),
    )


def _packages(spec: JobSpec, of_the_hardware: tuple[str, ...]) -> tuple[str, ...]:
    """The trainer's pins; a pin of the hardware takes precedence."""
    return tuple(sorted({_name(pin): pin for pin in (*pins.pins(spec), *of_the_hardware)}.values()))


@cache
def _name(pin: str) -> str:
    """The normalized name of a package (Python packaging specifications, name normalization)."""
    return re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower()
