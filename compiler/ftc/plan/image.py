"""The image of a run: the recipe to build it, and the check of what the steps need of it, before any download."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ftc.plan import environment, registry
from ftc.plan.types import Needs, Recipe, Step
from ftc.trainer import pins

if TYPE_CHECKING:
    from ftc.plan.types import Places
    from ftc.spec.base import Json
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
        base=registry.mirrored(build.base, spec.cluster.registry),
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


CHECK_SCRIPT = "check_image.sh"
# The search paths of programs and Python modules.
_SEARCHED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_FIELDS = ("initContainers", "containers")


def checked_first(
    spec: JobSpec, places: Places, fetching: tuple[Step, ...], main: tuple[Step, ...]
) -> tuple[Step, ...]:
    """All steps: those that fetch, and `main`, which train and publish. The first checks what its image must have."""
    first, *rest = (*fetching, *main)
    training, *publishing = main
    # Setup commands may install what the training needs; its container checks again after them.
    judged = (*fetching, *publishing) if fetching and spec.setup else (*fetching, *main)
    alike = [step.needs for step in judged if _view(spec, step) == _view(spec, first)]
    tools = tuple(dict.fromkeys(tool for needs in alike for tool in needs.tools))
    needs = Needs(tools, tuple(dict.fromkeys(module for needs in alike for module in needs.modules)))
    if not needs.tools and not needs.modules:
        return (first, *rest)
    vendors = {"ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None}
    env = {**first.env, **environment.without_none({**environment.needed(needs), **vendors})}
    # The script of the training checks the image itself.
    check = () if first is training else ("bash", f"{places.files}/{CHECK_SCRIPT}")
    return (Step(first.name, (*check, *first.command), env, first.args, first.needs), *rest)


def _view(spec: JobSpec, step: Step) -> list[Any]:
    """Everything that decides which programs and modules a step finds; a fragment can change a container's image.

    The plan is made before the fragments are validated, so a field may have any type.
    """
    fragments = (spec.cluster.pod, spec.hardware.pod, spec.network.pod, spec.pod)
    # The hardware's mounts are drivers, which contain none of the programs.
    fields = [
        ("image", "command", "envFrom", *(() if one is spec.hardware.pod else ("volumeMounts",))) for one in fragments
    ]
    added = [
        [*map(entry.get, wanted), *_searched(entry.get("env"))]
        for fragment, wanted in zip(fragments, fields, strict=True)
        for entry in _added(step.name, fragment)
    ]
    return [*(values for values in added if any(value is not None for value in values)), *map(step.env.get, _SEARCHED)]


def _searched(variables: Any) -> list[Any]:
    if not isinstance(variables, list):
        return []
    return [one for one in variables if isinstance(one, dict) and one.get("name") in _SEARCHED]


def _added(name: str, fragment: Json) -> list[Json]:
    """The containers of this name in a fragment."""
    body = fragment.get("spec")
    lists = [body.get(field) for field in _FIELDS] if isinstance(body, dict) else []
    entries = [entry for one in lists if isinstance(one, list) for entry in one]
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name]
