"""Warnings on cases whose objects have fixed names: one that two cases share, and a ConfigMap that no case makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftc.diagnostics.model import Diagnostic, Position, Severity
from ftc.output.write import KUSTOMIZATION
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftc.driver import State


class Job(NamedTuple):
    """What identifies the object of a job with a fixed name; each option of `cluster` is another cluster."""

    target: str
    name: str
    namespace: str | None
    cluster: str | None


def jobs(state: State) -> list[Job]:
    """The jobs of a compiled run that have fixed names."""
    if state.run is None or state.composed is None or state.run.generate_name:
        return []
    cluster = state.composed.choices.get("cluster")
    made = [target for target in POD_TARGETS if target in state.outputs]
    return [Job(target, state.run.name, state.run.namespace, cluster) for target in made]


def shared(places: Mapping[Job, Iterable[Path]], golden: Path) -> dict[str, tuple[Diagnostic, ...]]:
    """A warning for each place whose job an earlier place has too, by its case."""
    found: dict[str, tuple[Diagnostic, ...]] = {}
    for job, (first, *others) in places.items():
        for place in others:
            case = str(place.relative_to(golden))
            found[case] = (*found.get(case, ()), _shared(job, place, str(first.relative_to(golden))))
    return found


def _shared(job: Job, place: Path, first: str) -> Diagnostic:
    target = POD_TARGETS[job.target]
    both = f"the {target.title} '{job.name}' is in case {first} too"
    message = f"{both}, and the cluster has only one of this name, so they cannot both run"
    return _warning("same-fixed-name", place / str(target.file), message, "give one of them another name or namespace")


def without_scripts(place: Path, namespace: str | None) -> Diagnostic:
    """A warning for a run whose kustomization lacks the ConfigMap that its pods mount."""
    where = f" in namespace '{namespace}'" if namespace else " without a namespace"
    given = f"overrides: [namespace={namespace}], " if namespace else ""
    message = f"{KUSTOMIZATION} does not include the ConfigMap of the scripts: no case makes it{where}"
    help_ = f"write a case with {given}targets: [scripts]"
    return _warning("kustomization-without-scripts", place / KUSTOMIZATION, message, help_)


def _warning(rule: str, file: Path, message: str, help_: str) -> Diagnostic:
    position = Position(str(file), 1, 1)
    return Diagnostic(code="", rule=rule, severity=Severity.WARNING, message=message, position=position, help=help_)
