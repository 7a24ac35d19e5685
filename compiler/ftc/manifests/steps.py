"""The containers of a pod with their programs and variables, and the pods that train together."""

from __future__ import annotations

import re
from functools import cached_property, wraps
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ftc.manifests.environment import Environment, environment
from ftc.manifests.launch import Launch, launches
from ftc.manifests.manifest import Container, Mount, count, is_below
from ftc.manifests.objects import Kind
from ftc.manifests.program import Program, constants, program, unwrapped
from ftc.manifests.shell.script import Command, Expansion, Part, Script, Word, value_of
from ftc.manifests.subjects import Job, Pod, mounted_text
from ftc.patterns import lazily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.manifests.text import Spot, Text


_Of = TypeVar("_Of")
_Result = TypeVar("_Result")


def once(function: Callable[[_Of], _Result]) -> Callable[[_Of], _Result]:
    """Call a function once for each step or run: several rules need its result, which ends with the step or run.

    The result does not refer to them: the command does not collect garbage.
    """
    name = f"{function.__module__}.{function.__name__}"

    @wraps(function)
    def call(of: _Of) -> _Result:
        known = vars(of)
        if name not in known:
            known[name] = function(of)
        result: _Result = known[name]
        return result

    return call


class Step(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A container of a pod; `field` is `containers` or `initContainers`."""

    pod: Pod
    container: Container
    field: str
    index: int
    program: Program | None
    environment: Environment

    @property
    def init(self) -> bool:
        """Whether it is an init container."""
        return self.field == "initContainers"

    def at(self, *path: str | int) -> Spot:
        """The place of a key of the container."""
        return self.pod.at(self.field, self.index, *path)

    @cached_property
    def devices(self) -> int | None:
        """The number of devices, if it requests devices of a known kind."""
        return count(self.container)

    @cached_property
    def values(self) -> dict[str, str]:
        """The variables that have the same, known value everywhere."""
        return constants(self.program, self.environment.values) if self.program else self.environment.values

    @cached_property
    def launches(self) -> tuple[Launch, ...]:
        """The trainings that it starts."""
        return tuple(launches(self.program.script)) if self.program else ()

    @cached_property
    def trainings(self) -> tuple[Command, ...]:
        """The commands that start a launcher, or a Python script that is named after a training."""
        starts = {launch.command.start for launch in self.launches}
        return tuple(one for one in self.script.commands if one.start in starts or _is_named_training(one))

    @property
    def unseen(self) -> bool:
        """Whether its program is unknown: the image defines it, or a script that is not in the input."""
        return self.program is None or self.program.opaque

    @property
    def may_launch(self) -> bool:
        """Whether a script or program that is not in the input may start a launcher."""
        words = [unwrapped(command).words[:2] for command in self.script.commands]
        return self.unseen or any(_FILE.search(word.text or "") for some in words for word in some)

    @property
    def idle(self) -> bool:
        """Whether the whole program is known and does not train: it prints, checks a device or waits."""
        if self.program is None or self.unseen or self.launches:
            return False
        return all(_is_idle(unwrapped(command)) for command in self.program.script.commands)

    @cached_property
    def ranks(self) -> frozenset[str]:
        """The variables that identify a pod: those of the index, and those derived from them."""
        fields = [v.name for v in self.environment.variables.values() if _POD_FIELD.search(v.field)]
        found = {*_RANKS, *fields}
        for assignment in self.program.script.assignments if self.program else ():
            if assignment.value is not None and set(_NAMES.findall(assignment.value.raw)) & found:
                found.add(assignment.name)
        return frozenset(found)

    def on_one_pod(self, command: Command) -> bool:
        """Whether a command is behind a condition on the rank, or a lock."""
        return bool(command.context.guards & self.ranks) or "flock" in command.context.guards

    def is_independent(self, launch: Launch) -> bool:
        """Whether each pod runs this launch independently, on its part of the work."""
        nodes = {"nnodes", "num_machines", "num_nodes", "rdzv_endpoint"} & launch.options.keys()
        settings = {one.name for one in (*self.script.assignments, *launch.command.settings)}
        named = {name for word in launch.rest for name in word.names}
        return not nodes and "NNODES" not in settings and "NNODES" not in self.environment and bool(named & self.ranks)

    @property
    def script(self) -> Script:
        """The script; empty if the program is unknown."""
        return self.program.script if self.program is not None else Script("")

    def absent(self, name: str) -> bool:
        """Whether a variable is certainly not set; the image is assumed not to set variables of a launcher."""
        program = self.program
        if program is None or program.opaque or not self.environment.complete or name in self.environment:
            return False
        return all(assignment.name != name for assignment in program.script.assignments)

    def value(self, word: Word) -> str | None:
        """The value of a word in every pod, if it is known."""
        return word.joined([self._part(part) for part in word.parts])

    def _part(self, part: Part) -> str | None:
        known = value_of(part, self.values)
        if known is None and isinstance(part, Expansion) and part.operator in (":-", "-") and self.absent(part.name):
            return part.default if "$" not in (part.default or "") else None
        return known


class Run(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A job with the steps of all its pods."""

    job: Job
    steps: tuple[Step, ...]

    @cached_property
    def launches(self) -> tuple[tuple[Step, Launch], ...]:
        """The distributed trainings that the pods start, each with its container.

        Launches on a single node that select their work by the pod's index are independent; so are those of tasks with
        one pod each, if all of them are set to a single node.
        """
        found = [(step, launch) for step in self.steps if not step.init for launch in step.launches]
        if self.job.several and all(launch.alone and step.pod.replicas == 1 for step, launch in found):
            return ()
        return tuple((step, launch) for step, launch in found if not step.is_independent(launch))

    @cached_property
    def trains(self) -> frozenset[str]:
        """The crews whose pods train together: each starts a launcher, whose processes find the others."""
        return frozenset(step.pod.crew.name for step, launch in self.launches if launch.tool in TOGETHER)

    @property
    def apart(self) -> bool:
        """Whether the pods work independently, as far as is known.

        They do if no pod trains. They also do if the job starts with one pod, its launchers do not search for others,
        and the pods do not get each other's names, or request no devices and do not read the names.
        """
        volcano, plugins = self.job.volcano, self.job.plugins.keys()
        if self.steps and all(step.idle for step in self.steps):
            return True
        if volcano is None or volcano.min_available != 1 or self.launches or self.spreads:
            return False
        reads = any("/etc/volcano/" in step.script.value for step in self.steps)
        trains = reads or any(step.devices for step in self.steps) or plugins & DISTRIBUTED
        return "svc" not in plugins or not trains

    @property
    def elastic(self) -> bool:
        """Whether some of the pods are enough: a launcher is elastic, or the job is and its program is unknown."""
        if any(launch.elastic for _, launch in self.launches) or self.job.metadata.labels.get(_ELASTIC) == "on":
            return True
        enough = self.job.volcano.min_available if self.job.volcano else None
        fewer = enough is not None and 1 < enough < (self.job.total or 0)
        return fewer and not (self.trains or self.spreads or self.job.plugins.keys() & DISTRIBUTED)

    @cached_property
    def spreads(self) -> bool:
        """Whether a script is written for several pods: it reads the list of their names, or the index of its pod."""
        return any(
            _HOSTS.fullmatch(read.name) or (read.name in step.pod.crew.added and read.name in step.ranks)
            for step in self.steps
            if step.program is not None and step.program.inline
            for read in step.program.script.reads
        )


# Commands that neither train nor talk to other pods; the tools of vendors end with -smi.
_IDLE = frozenset(
    (
        *("sleep", "echo", "printf", "true", "false", "cat", "tail", "head", "grep", "awk", "date", "hostname", "ls"),
        *("env", "printenv", "whoami", "id", "df", "free", "uname", "nproc", "lscpu", "lspci", "ip", "wc", "tee"),
        *("set", "export", "cd", "exit", "test", "[", "[[", "trap", "wait", "read", "ulimit", "mkdir", "touch", ":"),
    )
)


_TRAINING = lazily(r"(?:train|tune|sft|dpo|grpo|ppo)[\w-]*\.py$")


def _is_named_training(command: Command) -> bool:
    return command.name.startswith("python") and any(_TRAINING.search(word.raw) for word in command.arguments)


def _is_idle(command: Command) -> bool:
    code = command.arguments[1] if len(command.arguments) > 1 else None
    if command.name in ("python", "python3") and code is not None and command.arguments[0].text == "-c":
        return not re.search(r"distributed|deepspeed|accelerate|MASTER_|RANK|runpy", code.raw)
    return command.name in _IDLE or command.name.endswith("-smi") or not command.words


# Variables and a command that identify a pod.
_RANKS = (
    *("RANK", "NODE_RANK", "MACHINE_RANK", "GROUP_RANK", "LOCAL_RANK", "VC_TASK_INDEX", "VK_TASK_INDEX"),
    *("JOB_COMPLETION_INDEX", "PET_NODE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_NODEID"),
    *("HOSTNAME", "hostname"),
)


# Launchers whose processes find each other; mpirun starts the others itself.
TOGETHER = ("torchrun", "accelerate", "llamafactory", "deepspeed")


# Ascend/mind-cluster, elastic training: the job continues with minReplicas.
_ELASTIC = "elastic-scheduling"


# Plugins for distributed training.
DISTRIBUTED = {"pytorch", "tensorflow", "mpi", "ray", "hcclrank"}


_POD_FIELD = lazily(r"^metadata\.name$|index")


# A command or its first argument that is a script.
_FILE = lazily(r"\.(?:sh|bash|py)$")


_NAMES = lazily(r"[A-Za-z_]\w*")


_HOSTS = lazily(r"VC_\w+_HOSTS")


def steps(pod: Pod) -> Iterator[Step]:
    """The init containers, then the containers."""
    for field, containers in (("initContainers", pod.spec.init_containers), ("containers", pod.spec.containers)):
        for index, container in enumerate(containers):

            def spot(*path: str | int, field: str = field, index: int = index) -> Spot:
                return pod.at(field, index, *path)

            def text(path: str, container: Container = container) -> Text | None:
                return mounted_text(pod, container, path)

            run = program(container, spot, text)
            variables = environment(pod, container, init=field == "initContainers")
            yield Step(pod, container, field, index, run, variables)


def mount_of(step: Step, path: str) -> Mount | None:
    """The mount that contains a path of the container."""
    inside = [m for m in step.container.volume_mounts if is_below(path, m.mount_path or "/")]
    return max(inside, key=lambda mount: len(mount.mount_path), default=None)


_MAX_UNKNOWN = 8


@once
def worlds(run: Run) -> set[int] | None:
    """The possible numbers of pods in the training: those that launch it, with any of those whose program is unknown.

    None if two tasks share a name.
    """
    if run.job.kind is Kind.POD:
        return None
    counts = {crew.name: crew.replicas for crew in run.job.crews}
    seen = {step.pod.crew.name for step in run.steps if not step.init and not step.may_launch}
    unseen = {step.pod.crew.name for step in run.steps if step.may_launch and not step.init}
    unseen = (unseen | (counts.keys() - seen)) - run.trains
    if None in counts.values() or not run.trains or len(counts) < len(run.job.crews):
        return None
    sure = sum(counts[name] or 0 for name in run.trains)
    others = [counts[name] or 0 for name in sorted(unseen)][:_MAX_UNKNOWN]
    return {sure + sum(some) for size in range(len(others) + 1) for some in combinations(others, size)}


def spot_of(step: Step, word: Word) -> Spot:
    """The place of a word in the program of a container."""
    return step.program.at(word.start) if step.program is not None else step.at()


def number_in(text: str | None) -> int | None:
    """The text as a number; None if it is not one."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None


def given_once(step: Step, launch: Launch, name: str) -> Word | None:
    """The value of a variable that is set before a command, or in only one place of its script."""
    script = step.script.assignments
    given = [one for one in launch.command.settings if one.name == name] or [one for one in script if one.name == name]
    return given[-1].value if len(given) == 1 else None


def named_variables(step: Step) -> Iterator[tuple[str, Spot]]:
    """The variables that the container, its script or a command of the script sets, each with its place."""
    for index, variable in enumerate(step.container.env):
        yield variable.name, step.at("env", index)
    settings = [one for command in step.script.commands for one in command.settings]
    if step.program is not None:
        yield from ((one.name, step.program.at(one.start)) for one in (*step.script.assignments, *settings))
