"""The variables of a container, with those that Volcano's plugins and the Job controller add."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ftc.manifests.objects import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftc.manifests.manifest import Container
    from ftc.manifests.subjects import Job, Pod

INDEX = ("VC_TASK_INDEX", "VK_TASK_INDEX")


TORCH = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK")


# The limit for all expanded values of a container: thirty variables that double, `$(A)$(A)`, would fill the memory, and
# rules do not need longer values. These are unknown.
MAX_EXPANDED = 65_536


_REFERENCE = re.compile(r"\$\(([A-Za-z_][\w.-]*)\)")


class Variable(msgspec.Struct, frozen=True):
    """A variable, its value if known, and what sets it; `index` is its index in the container's `env`.

    `size` counts the known bytes of the value, even if the value is too long to be stored.
    """

    name: str
    value: str | None = None
    plugin: str = ""
    index: int | None = None
    secret: bool = False
    field: str = ""
    size: int = 0


class Environment(msgspec.Struct, frozen=True):
    """The variables of a container by name; not `complete` if a ConfigMap or Secret adds others."""

    variables: dict[str, Variable] = {}
    complete: bool = True

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def get(self, name: str) -> Variable | None:
        """The variable, if it is known to be set."""
        return self.variables.get(name)

    @property
    def values(self) -> dict[str, str]:
        """The variables with a known value."""
        return {name: v.value for name, v in self.variables.items() if v.value is not None}


def environment(pod: Pod, container: Container, *, init: bool) -> Environment:
    """The variables that a container sees; plugins append theirs, and the last value of a name takes effect."""
    found: dict[str, Variable] = {}
    room = MAX_EXPANDED
    for index, given in enumerate(container.env):
        source = given.value_from
        secret = source is not None and source.secret_key_ref is not None
        field = source.field_ref.field_path if source is not None and source.field_ref is not None else ""
        value = given.value if source is None else None
        value = "" if source is None and value is None else value
        size = size_of(value or "", found)
        if value is not None and "$(" in value:
            value, room = _expanded(value, found) if size <= room else None, room - min(size, room)
        found[given.name] = Variable(given.name, value, index=index, secret=secret, field=field, size=size)
    for added in plugin_variables(pod, init=init):
        found[added.name] = added
    if pod.crew.batch is not None and pod.crew.batch.completion_mode == "Indexed":
        found.setdefault("JOB_COMPLETION_INDEX", Variable("JOB_COMPLETION_INDEX", plugin="Indexed"))
    for name, value in pod.crew.sets(container).items():
        found[name] = Variable(name, value, plugin="Trainer")
    return Environment(found, complete=pod.crew.settled and not container.env_from)


def size_of(text: str, before: Mapping[str, Variable]) -> int:
    """The size of a text in bytes after expansion; variables with an unknown value count as empty."""
    pieces = _REFERENCE.split(text)
    named = [before[name].size if name in before else len(name) + len("$()") for name in pieces[1::2]]
    return sum(len(piece.encode("utf-8", "surrogatepass")) for piece in pieces[::2]) + sum(named)


def _expanded(value: str, before: dict[str, Variable]) -> str | None:
    """Kubernetes expands `$(NAME)` from earlier variables, and leaves unknown names unchanged."""
    if any(name in before and before[name].value is None for name in _REFERENCE.findall(value)):
        return None
    return _REFERENCE.sub(lambda m: before[m[1]].value or "" if m[1] in before else m[0], value)


def plugin_variables(pod: Pod, *, init: bool) -> Iterator[Variable]:
    """The variables that Volcano's plugins set.

    Source: Volcano, pkg/controllers/job/plugins (svc, env, distributed-framework).
    """
    job = pod.job
    if job.kind is not Kind.VOLCANO:
        return
    if "svc" in job.plugins:
        for crew in job.crews:
            yield Variable(f"VC_{variable_part(crew.name)}_HOSTS", plugin="svc")
            count = None if crew.replicas is None else str(crew.replicas)
            yield Variable(f"VC_{variable_part(crew.name)}_NUM", count, plugin="svc")
    if "env" in job.plugins:
        yield from (Variable(name, plugin="env") for name in INDEX)
    if init:
        return
    if "pytorch" in job.plugins:
        yield from _pytorch(pod)
    if "tensorflow" in job.plugins:
        yield Variable("TF_CONFIG", plugin="tensorflow")
    if "mpi" in job.plugins and pod.crew.name == flag(job.plugins["mpi"], "master", "master"):
        yield Variable("MPI_HOST", plugin="mpi")


def _pytorch(pod: Pod) -> Iterator[Variable]:
    """The plugin needs a master task, and sets ranks only in master and worker."""
    job = pod.job
    master, worker = torch_tasks(job)
    counts = {crew.name: crew.replicas for crew in job.crews}
    if master not in counts:
        return
    members = [counts[name] for name in (master, worker) if name in counts]
    world = None if None in members else str(sum(count or 0 for count in members))
    port = flag(job.plugins["pytorch"], "port", "23456")
    yield from (Variable("MASTER_ADDR", plugin="pytorch"), Variable("MASTER_PORT", port, plugin="pytorch"))
    yield Variable("WORLD_SIZE", world, plugin="pytorch")
    if pod.crew.name in (master, worker):
        yield Variable("RANK", plugin="pytorch")


def torch_tasks(job: Job) -> tuple[str, str]:
    """The tasks that the pytorch plugin uses as master and worker."""
    arguments = job.plugins["pytorch"]
    return flag(arguments, "master", "master"), flag(arguments, "worker", "worker")


def variable_part(task: str) -> str:
    """The task name in the variables of the svc plugin: `dist-train` becomes DIST_TRAIN."""
    return task.replace("-", "_").upper()


def flag(arguments: tuple[str, ...], name: str, default: str) -> str:
    """The value of a plugin's flag, `--name=value` or `--name value`."""
    for index, argument in enumerate(arguments):
        key, equals, value = argument.lstrip("-").partition("=")
        if key == name and argument.startswith("-"):
            return value if equals else next(iter(arguments[index + 1 :]), default)
    return default
