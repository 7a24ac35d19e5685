"""The first step checks what later steps need of the image, before any download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.plan import environment
from ftc.plan.types import Needs, Step

if TYPE_CHECKING:
    from ftc.plan.types import Places
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

SCRIPT = "check_image.sh"
# The search paths of programs and Python modules.
_SEARCHED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_FIELDS = ("initContainers", "containers")


def checked_first(spec: JobSpec, places: Places, fetching: tuple[Step, ...], training: Step) -> tuple[Step, ...]:
    """The steps that fetch; the first also checks what later steps with the same image need."""
    if not fetching:
        return ()
    first, *rest = fetching
    alike = [step.needs for step in (*fetching, training) if _view(spec, step) == _view(spec, first)]
    tools = tuple(dict.fromkeys(tool for needs in alike for tool in needs.tools))
    needs = Needs(tools, tuple(dict.fromkeys(module for needs in alike for module in needs.modules)))
    if not needs.tools and not needs.modules:
        return fetching
    vendors = {"ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None}
    env = {**first.env, **environment.without_none({**environment.needed(needs), **vendors})}
    command = ("bash", f"{places.files}/{SCRIPT}", *first.command)
    return (Step(first.name, command, env, first.args, first.needs), *rest)


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
