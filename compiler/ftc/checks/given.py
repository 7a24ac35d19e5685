"""What users give in several places: variables, labels, words of a command, containers of a fragment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ftc.spec.launcher import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftc.diagnostics.model import KeyPath
    from ftc.spec.base import Json
    from ftc.spec.job import JobSpec

Path: TypeAlias = tuple[str, ...]


def fragments(spec: JobSpec) -> list[tuple[Path, Json]]:
    """The users' PodTemplate fragments and where each stands in the spec, in the order in which they win."""
    groups = {"cluster": spec.cluster.pod, "hardware": spec.hardware.pod, "network": spec.network.pod}
    return [*(((name, "pod"), fragment) for name, fragment in groups.items()), (("pod",), spec.pod)]


def containers(spec: JobSpec) -> Iterator[tuple[KeyPath, Json]]:
    """The containers of the fragments, those that change one of ftc's too."""
    for path, fragment in fragments(spec):
        for field in ("initContainers", "containers"):
            for index, container in enumerate(fragment.get("spec", {}).get(field, [])):
                yield (*path, "spec", field, index), container


def variables(spec: JobSpec) -> Iterator[tuple[KeyPath, str, str]]:
    """The variables with a literal value: where each stands, its name and its value."""
    for path, given in environments(spec):
        yield from (((*path, name), name, value) for name, value in given.items())
    for where, container in containers(spec):
        for index, variable in enumerate(container.get("env", [])):
            if "valueFrom" not in variable:
                yield (*where, "env", index), variable["name"], variable.get("value", "")


def environments(spec: JobSpec) -> list[tuple[Path, Mapping[str, str]]]:
    """The maps of variables, in the order in which they win."""
    groups = {"cluster": spec.cluster.env, "hardware": spec.hardware.env, "network": spec.network.env}
    return [*(((name, "env"), given) for name, given in groups.items()), (("env",), spec.env)]


def labels(spec: JobSpec) -> Iterator[tuple[KeyPath, Mapping[str, str]]]:
    """The labels of the pods, those of all and those of the fragments."""
    yield ("labels",), spec.labels
    for path, fragment in fragments(spec):
        yield (*path, "metadata", "labels"), fragment.get("metadata", {}).get("labels", {})


def commands(spec: JobSpec) -> Iterator[tuple[KeyPath, Sequence[str]]]:
    """The argument lists that ftc hands on word by word: the setup and the user's own program."""
    for index, words in enumerate(spec.setup):
        yield ("setup", index), words
    if isinstance(spec.launcher, Command):
        yield ("launcher", "command"), spec.launcher.command
        yield ("launcher", "args"), spec.launcher.args


def set_by(spec: JobSpec, *keys: str) -> KeyPath:
    """The last fragment that has a key of the pod, with the key: the one that wins."""
    found = [(*path, *keys) for path, fragment in fragments(spec) if _has(fragment, keys)]
    return found[-1] if found else ("pod",)


def _has(value: object, keys: Path) -> bool:
    return not keys or (isinstance(value, dict) and keys[0] in value and _has(value[keys[0]], keys[1:]))
