"""What later steps need of the image is looked for by the first step: before any download."""

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


def checked_first(spec: JobSpec, places: Places, fetching: tuple[Step, ...], training: Step) -> tuple[Step, ...]:
    """The steps that fetch; the first looks for what it needs itself, and what later steps in the same image need."""
    if not fetching:
        return ()
    first, *rest = fetching
    alike = [step.needs for step in (*fetching, training) if _view(spec, step) == _view(spec, first)]
    tools = tuple(dict.fromkeys(tool for needs in alike for tool in needs.tools))
    needs = Needs(tools, tuple(dict.fromkeys(module for needs in alike for module in needs.modules)))
    if not needs.tools and not needs.modules:
        return fetching
    vendors = {"ENVIRONMENT_SCRIPTS": ":".join(spec.hardware.environment_scripts) or None}
    env = {**first.env, **environment.given({**environment.needed(needs), **vendors})}
    command = ("bash", f"{places.files}/{SCRIPT}", *first.command)
    return (Step(first.name, command, env, first.args, first.needs), *rest)


def _view(spec: JobSpec, step: Step) -> list[Any]:
    """What decides which programs and modules a step finds; fragments can give each container another image."""
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
