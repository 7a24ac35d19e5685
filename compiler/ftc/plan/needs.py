"""What steps need of their image is looked for by the first step that has the same image: before any download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftc.plan import environment
from ftc.plan.merge import merge
from ftc.plan.types import Needs, Step

if TYPE_CHECKING:
    from ftc.plan.types import Places
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

SCRIPT = "check_image.sh"
# Where programs and Python's modules are found.
_SEARCHED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_FIELDS = ("initContainers", "containers")


def checked_early(spec: JobSpec, places: Places, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, of which the first of each image looks for what all of that image need."""
    views = [_view(spec, step) for step in steps]
    needed = [_union(steps, [views.index(view) == place for view in views]) for place in range(len(steps))]
    return tuple(_checking(spec, places, step, needs) for step, needs in zip(steps, needed, strict=True))


def variables(needs: Needs) -> dict[str, str | None]:
    """What the script reads."""
    return {
        "REQUIRED_TOOLS": " ".join(needs.tools) or None,
        "REQUIRED_MODULES": " ".join(needs.modules) or None,
    }


def _union(steps: tuple[Step, ...], chosen: list[bool]) -> Needs:
    all_of = [step.needs for step, taken in zip(steps, chosen, strict=True) if taken]
    tools = dict.fromkeys(tool for needs in all_of for tool in needs.tools)
    return Needs(tuple(tools), tuple(dict.fromkeys(module for needs in all_of for module in needs.modules)))


def _checking(spec: JobSpec, places: Places, step: Step, needs: Needs) -> Step:
    if not needs.tools and not needs.modules:
        return step
    vendors = {"ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None}
    env = {**step.env, **environment.given({**variables(needs), **vendors})}
    return Step(step.name, ("bash", f"{places.files}/{SCRIPT}", *step.command), env, step.args, step.needs)


def _view(spec: JobSpec, step: Step) -> list[Any]:
    """What decides what a step finds; steps whose views are equal find the same."""
    added = _added(step.name, (spec.cluster.pod, spec.hardware.pod, spec.network.pod, spec.pod))
    # The hardware's mounts are drivers, which bring no program that is looked for.
    mounts = _added(step.name, (spec.cluster.pod, spec.network.pod, spec.pod)).get("volumeMounts")
    searched = [entry for entry in added.get("env", ()) if entry.get("name") in _SEARCHED]
    return [*map(added.get, ("image", "command", "envFrom")), mounts, searched, *map(step.env.get, _SEARCHED)]


def _added(name: str, fragments: tuple[Json, ...]) -> Json:
    """What fragments add to the container of a name."""
    pod: Json = {"spec": {field: [{"name": name}] for field in _FIELDS}}
    for fragment in fragments:
        pod = merge(pod, fragment)
    found: Json = {}
    for field in _FIELDS:
        found = merge(found, next(entry for entry in pod["spec"][field] if entry.get("name") == name))
    return found
