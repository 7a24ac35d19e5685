"""Values that users set in several places of a spec, their origins, and the container that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ftc.plan.kubernetes import quantity
from ftc.plan.pod import recorded
from ftc.plan.train import NAME
from ftc.plan.types import BoundRun
from ftc.spec.method import Command
from ftc.spec.storage import InWorkspace, Volume
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from decimal import Decimal

    from ftc.diagnostics.model import KeyPath, Position
    from ftc.plan.merge import Merged
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec


Path: TypeAlias = tuple[str, ...]


def title(run: RunPlan) -> str:
    """The object of the run's target, as a sentence names it."""
    return POD_TARGETS[run.target].title if isinstance(run, BoundRun) else "job"


def fragments(spec: JobSpec) -> list[tuple[Path, Json]]:
    """The PodTemplate fragments with their keys, in increasing precedence."""
    groups = {"cluster": spec.cluster.pod, "hardware": spec.hardware.pod, "network": spec.network.pod}
    return [*(((name, "pod"), fragment) for name, fragment in groups.items()), (("pod",), spec.pod)]


def pods(spec: JobSpec) -> list[tuple[Path, Json]]:
    """The pod spec of each fragment, with its key."""
    return [((*path, "spec"), fragment.get("spec", {})) for path, fragment in fragments(spec)]


def containers(spec: JobSpec) -> Iterator[tuple[KeyPath, Json]]:
    """The containers of the fragments, including changes to ftc's containers."""
    for path, pod in pods(spec):
        for field in ("initContainers", "containers"):
            for index, container in enumerate(pod.get(field, [])):
                yield (*path, field, index), container


def variables(spec: JobSpec) -> Iterator[tuple[KeyPath, str, str]]:
    """The variables with a literal value: key, name and value."""
    for path, given in environments(spec):
        yield from (((*path, name), name, value) for name, value in given.items())
    for where, container in containers(spec):
        for index, variable in enumerate(container.get("env", [])):
            if "valueFrom" not in variable:
                yield (*where, "env", index), variable["name"], variable.get("value", "")


def variable_names(spec: JobSpec) -> set[str]:
    """The names of the variables that users set, with a value or a reference."""
    own = {name for _, given in environments(spec) for name in given}
    return own | {variable["name"] for _, one in containers(spec) for variable in one.get("env", [])}


def environments(spec: JobSpec) -> list[tuple[Path, Mapping[str, str]]]:
    """The maps of variables, in increasing precedence."""
    groups = {"cluster": spec.cluster.env, "hardware": spec.hardware.env, "network": spec.network.env}
    return [*(((name, "env"), given) for name, given in groups.items()), (("env",), spec.env)]


def metadata(spec: JobSpec, field: Literal["labels", "annotations"]) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The labels or annotations of the pods: first those of the job, then those of the fragments."""
    yield (field,), spec.labels if field == "labels" else spec.annotations
    for path, fragment in fragments(spec):
        yield (*path, "metadata", field), fragment.get("metadata", {}).get(field, {})


def host_names(spec: JobSpec) -> Iterator[KeyPath]:
    """The keys that set hostname or subdomain in fragments."""
    for path, pod in pods(spec):
        yield from ((*path, name) for name in ("hostname", "subdomain") if name in pod)


def other_schedulers(spec: JobSpec) -> Iterator[tuple[KeyPath, str]]:
    """The schedulers in fragments that differ from the cluster's."""
    for path, pod in pods(spec):
        name = pod.get("schedulerName", spec.cluster.scheduler)
        if name != spec.cluster.scheduler:
            yield (*path, "schedulerName"), name


def volumes(spec: JobSpec) -> dict[Path, Volume]:
    """The volumes of the storage by key, without a cache that is inside the workspace."""
    storage = spec.storage
    found: dict[Path, Volume] = {("storage", "workspace"): storage.workspace}
    if not isinstance(storage.cache, InWorkspace):
        found["storage", "cache"] = storage.cache
    return found | {("storage", "more", name): volume for name, volume in storage.more.items()}


def commands(spec: JobSpec) -> Iterator[tuple[KeyPath, Sequence[str]]]:
    """The argument lists that ftc passes on unchanged: the setup and the user's program."""
    for index, words in enumerate(spec.setup):
        yield ("setup", index), words
    if isinstance(spec.launcher, Command):
        yield ("launcher", "command"), spec.launcher.command
        yield ("launcher", "args"), spec.launcher.args


def set_by(run: RunPlan, *path: str) -> KeyPath:
    """The key that set a field of the pod; `pod` if ftc set it."""
    return recorded(run).record.at(path).source.key or ("pod",)


def train(run: RunPlan) -> Json:
    """The container that trains, with the changes of the fragments."""
    found: Json = _train(run).content
    return found


def _train(run: RunPlan) -> Merged:
    containers = recorded(run).at(("spec", "containers"))
    return next(containers.at((i,)) for i, one in enumerate(containers.content) if one["name"] == NAME)


def limit(run: RunPlan, name: str) -> Decimal:
    """The limit of the container for a resource."""
    return quantity(train(run)["resources"]["limits"][name])


def memory_limit_at(run: RunPlan) -> KeyPath:
    """The key of the memory limit in a fragment; empty without one."""
    return _train(run).record.at(("resources", "limits", "memory")).source.key or ()


def resource_lists(spec: JobSpec) -> Iterator[tuple[KeyPath, str, Json]]:
    """The requests and limits in fragments, with the name of the container."""
    for path, container in containers(spec):
        for field in ("requests", "limits"):
            yield (*path, "resources", field), container["name"], container.get("resources", {}).get(field, {})


def named_containers(body: Json) -> Iterator[tuple[str, Json]]:
    """The containers of a pod, each with its field."""
    for field in ("containers", "initContainers"):
        yield from ((field, container) for container in body.get(field, []))


def read_variables(spec: JobSpec) -> dict[str, tuple[KeyPath, str]]:
    """The variables that this hardware reads, with the key and value that take precedence."""
    ignored = spec.hardware.ignored_env
    return {name: (path, value) for path, name, value in variables(spec) if not name.startswith(ignored)}


class Origins(NamedTuple):
    """A spec, and what set its keys.

    A later setting has a higher `rank`. A key `is_of_run` if an override or the primary config sets it, not an option.
    `settings` has each place that set a key and the value there, with its references replaced; the last one wins. `ids`
    returns the ids of the options of a group. `targets` are the requested ones.
    """

    spec: JobSpec
    position: Callable[[KeyPath], Position | None]
    rank: Callable[[KeyPath], int]
    is_of_run: Callable[[KeyPath], bool]
    settings: Callable[[KeyPath], Sequence[tuple[Position, Any]]]
    ids: Callable[[str], Mapping[str, str]]
    targets: Collection[str]
