"""Rules on the variables of a rendezvous: each one that a script reads is set."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.manifests.environment import INDEX, TORCH, torch_tasks, variable_part
from ftc.manifests.objects import Kind
from ftc.manifests.shell.script import Expansion, Read, Word
from ftc.manifests.steps import Step, given_once
from ftc.plan.environment import objection
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def variables_are_free(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The variables of the rendezvous, of the scripts and of bash are not set by the user.

    ftc gives them to each pod (rank, address, directories). One that is the same everywhere makes ranks wait for each
    other forever, or scripts look in the wrong place. Those of bash change what the scripts do: SHELLOPTS=xtrace would
    print credentials to the log.

    Wrong: env.MASTER_ADDR=10.0.0.1
    Right: env.NCCL_DEBUG=INFO
    """
    groups = {"hardware": spec.hardware.env, "network": spec.network.env, "cluster": spec.cluster.env}
    given = [(("env",), spec.env), *(((name, "env"), variables) for name, variables in groups.items())]
    for path, variables in given:
        for name in sorted(variables):
            if message := objection(name):
                yield Finding((*path, name), message, "leave it out", at_key=True)


# Rules on manifests.


_LIST = re.compile(r"VC_(\w+)_(HOSTS|NUM)")


# The names of a task's pods, a line each; plugin svc mounts them.
_FILE = re.compile(r"/etc/volcano/(\w+)\.host")


RENDEZVOUS = {*TORCH, "NODE_RANK", "NNODES", "JOB_COMPLETION_INDEX"}


_NEAR = 0.8


def volcano_sets_what_is_read(step: Step) -> Iterator[Finding]:
    """A script reads those of Volcano's variables that the job's plugins set.

    Plugin svc sets VC_<TASK>_HOSTS and VC_<TASK>_NUM for each task of the job, plugin env VC_TASK_INDEX. What nobody
    sets is empty: each pod takes itself for the only one, trains alone, and says nothing.
    Source: Volcano, pkg/controllers/job/plugins; issue 1082.

    Wrong: tests/corpus/bad/FTC833-hosts-of-another-task.yaml
    Right: tests/corpus/good/FTC833-hosts-of-this-task.yaml
    """
    severity = Severity.ERROR if step.pod.job.several else Severity.WARNING
    program = step.program
    if program is None:
        return
    unset = list(_unset(step, lambda read: _is_of_volcano(step, read)))
    for read in unset:
        yield Finding(program.at(read.start), *_why(step, read.name), severity=severity)
    yield from _other_tasks(step, {read.name for read in unset if read.name not in INDEX}, severity)
    job, files = step.pod.job, {crew.name.replace("-", "_") for crew in step.pod.job.crews}
    for found in _FILE.finditer(program.script.value):
        if "svc" not in job.plugins:
            message, help_ = f"nobody writes {found[0]}: the job has no plugin svc", "add to plugins: svc: []"
            yield Finding(program.at(found.start()), message, help_, severity=severity)
        elif found[1] not in files:
            message = f"nobody writes {found[0]}: the job has no task of that name"
            yield Finding(program.at(found.start()), message, did_you_mean(found[1], files), severity=severity)


def _is_of_volcano(step: Step, read: Read) -> bool:
    """One of Volcano's variables; one pod can do without it where the script says how."""
    ours = bool(_LIST.fullmatch(read.name)) or read.name in INDEX or bool(_meant(step, read.name))
    return ours and (step.pod.job.several or not read.tolerant) and not _makes_up_for(step, read)


def _makes_up_for(step: Step, read: Read) -> bool:
    """Whether a task that there is stands in for another that some job has: `${VC_MASTER_NUM:-0} + VC_WORKER_NUM`."""
    job, default = step.pod.job, read.expansion.default or ""
    lists = [f"VC_{variable_part(crew.name)}_{what}" for crew in job.crews for what in ("HOSTS", "NUM")]
    given = {name for name in lists if "svc" in job.plugins and name in step.script.value}
    return bool(given) and bool(default) and (default == "0" or any(name in default for name in given))


def _meant(step: Step, name: str) -> str:
    """What to do about VC_TSK_INDEX; nothing about a name of Volcano's, or one that is not like any."""
    if not re.match("V[CK]_", name) or name in INDEX or _LIST.fullmatch(name):
        return ""
    tasks = [variable_part(crew.name) for crew in step.pod.job.crews]
    return nearest(name, [*INDEX, *(f"VC_{task}_{what}" for task in tasks for what in ("HOSTS", "NUM"))])


def _why(step: Step, name: str) -> tuple[str, str]:
    job = step.pod.job
    if job.kind is Kind.VOLCANO and (meant := _meant(step, name)):
        return f"{name} is never set: Volcano has no such variable", meant
    if job.kind is not Kind.VOLCANO:
        return f"{name} is set by Volcano in a VolcanoJob, and this is a {job.kind}", ""
    if name in INDEX:
        return f"{name} is never set: the job has no plugin env", "add to plugins: env: []"
    if "svc" not in job.plugins:
        return f"{name} is never set: the job has no plugin svc", "add to plugins: svc: []"
    known = [f"VC_{variable_part(crew.name)}_{name.rpartition('_')[2]}" for crew in job.crews]
    return f"{name} is never set: the job has no task of that name", did_you_mean(name, known)


def _other_tasks(step: Step, names: set[str], severity: Severity) -> Iterator[Finding]:
    """Even with the plugin the variable would have another name."""
    job = step.pod.job
    if job.kind is not Kind.VOLCANO or "svc" in job.plugins:
        return
    for name in sorted(names):
        match = _LIST.fullmatch(name)
        tasks = [variable_part(crew.name) for crew in job.crews]
        if match and match[1] not in tasks:
            index = [crew.name for crew in job.crews].index(step.pod.crew.name)
            message = f"the script reads {name}, and the task is called '{step.pod.crew.name}'"
            wanted = match[1].lower().replace("_", "-")
            help_ = f"call the task {wanted}, or read VC_{tasks[index]}_{match[2]}"
            yield Finding(job.at("spec", "tasks", index, "name"), message, help_, severity=severity)


def _unset(step: Step, asked: Callable[[Read], bool]) -> Iterator[Read]:
    """The first read that is asked for of each variable that nobody sets."""
    if step.program is None or not step.environment.complete:
        return
    own = _self(step)
    seen = {assignment.name for assignment in step.program.script.assignments if assignment.name not in own}
    for read in step.program.script.reads:
        if asked(read) and read.name not in seen and read.name not in step.environment:
            seen.add(read.name)
            yield read


def _self(step: Step) -> set[str]:
    """The variables that are set to themselves only: `export RANK=$RANK`."""
    script = step.program.script if step.program else None
    values: dict[str, set[bool]] = {}
    for assignment in script.assignments if script else ():
        own = assignment.value is not None and assignment.value.parts == (Expansion(assignment.name),)
        values.setdefault(assignment.name, set()).add(own)
    return {name for name, owns in values.items() if owns == {True}}


def ranks_are_set(step: Step) -> Iterator[Finding]:
    """The variables of a rendezvous that a script reads are set by somebody.

    MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK come from plugin pytorch, in its containers only; JOB_COMPLETION_INDEX
    from a Job that is Indexed; NODE_RANK and NNODES from nobody but the job itself.
    Source: Volcano, pkg/controllers/job/plugins/distributed-framework/pytorch; Kubernetes, pkg/controller/job.

    Wrong: tests/corpus/bad/FTC834-rank-from-nowhere.yaml
    Right: tests/corpus/good/FTC834-rank-of-the-plugin.yaml
    """
    if step.pod.job.kind is Kind.POD or step.program is None or step.program.opaque:
        return
    severity = Severity.ERROR if step.pod.job.several else Severity.WARNING
    for read in _unset(step, lambda read: read.name in RENDEZVOUS and not read.tolerant):
        yield Finding(
            step.program.at(read.start), f"{read.name} is never set", _who(step, read.name), severity=severity
        )


def launcher_is_told(step: Step) -> Iterator[Finding]:
    """A variable that a launcher is told is one that somebody sets.

    The shell makes nothing of a misspelt one: the launcher takes the next word for its value, or waits at no address.
    Only the job can tell a pod its number, the image cannot.
    Source: POSIX, Shell Command Language, 2.6.2.

    Wrong: tests/corpus/bad/FTC897-misspelt-address.yaml
    Right: tests/corpus/good/FTC897-address-of-the-image.yaml
    """
    if step.program is None or step.program.opaque:
        return
    numbers = {name for word in _rank_words(step) for name in word.names} - step.ranks
    words = [word for launch in step.launches for word in launch.options.values()]
    in_options = {part.name for word in words for part in word.parts if isinstance(part, Expansion)}
    told = (numbers | in_options) - RENDEZVOUS
    known = {*step.environment.variables, *(one.name for one in step.program.script.assignments)}
    for read in _unset(step, lambda read: read.name in told and not read.tolerant and not _is_of_volcano(step, read)):
        near = get_close_matches(read.name, sorted(known), n=1, cutoff=_NEAR)
        if near:
            message = f"{read.name} is set by nobody, and {near[0]} is"
            yield Finding(step.program.at(read.start), message, f"did you mean '{near[0]}'?")
        elif read.name in numbers:
            yield Finding(step.program.at(read.start), f"{read.name} is set by nobody", _who(step, "NODE_RANK"))


def _rank_words(step: Step) -> Iterator[Word]:
    """The words that tell launchers the number of their node."""
    for launch in step.launches:
        word = launch.option("node_rank", "machine_rank")
        word = given_once(step, launch, "NODE_RANK") if launch.tool == "llamafactory" else word
        if word is not None:
            yield word


def _who(step: Step, name: str) -> str:
    job = step.pod.job
    if name == "JOB_COMPLETION_INDEX":
        return (
            "write completionMode: Indexed"
            if job.batch
            else "that is a Job's; here it is VC_TASK_INDEX, with plugin env"
        )
    if name in TORCH and "pytorch" in job.plugins:
        return (
            "init containers do not get it"
            if step.init
            else f"plugin pytorch knows the tasks {' and '.join(torch_tasks(job))}"
        )
    index = "JOB_COMPLETION_INDEX" if job.batch else "VC_TASK_INDEX"
    own = {"RANK": index, "NODE_RANK": index, "NNODES": str(job.total), "MASTER_PORT": "29500"}
    return f"set {name}={'$' if name.endswith('RANK') else ''}{own[name]}" if name in own and job.total else ""


def tests_can_succeed(step: Step) -> Iterator[Finding]:
    """A condition on one of Volcano's variables can be true.

    Where nobody sets it, the branch for several nodes never runs, however many there are: all of them train alone.
    Source: Volcano, pkg/controllers/job/plugins.

    Wrong: tests/corpus/bad/FTC836-branch-that-never-runs.yaml
    Right: tests/corpus/good/FTC836-branch-that-runs.yaml
    """
    if step.program is None or not step.environment.complete:
        return
    names = {assignment.name for assignment in step.program.script.assignments}
    for read in step.program.script.reads:
        if read.tested and _LIST.fullmatch(read.name) and read.name not in step.environment and read.name not in names:
            message = f"{read.name} is never set, so that this decides the same way in every pod: each trains alone"
            severity = Severity.WARNING if step.pod.job.several else Severity.NOTE
            yield Finding(step.program.at(read.start), message, "", severity=severity)


_GIVES_RANKS = ("torchrun", "llamafactory", "accelerate")


def ranks_are_the_launchers(step: Step) -> Iterator[Finding]:
    """A node's number is NODE_RANK; RANK and WORLD_SIZE count processes.

    The launcher gives each process its own. What the script exports holds for anything else that it starts.
    Source: torchrun (torch/distributed/run.py), LLaMA-Factory, launcher.py, which reads NODE_RANK since 0.9.1.

    Wrong: tests/corpus/bad/FTC838-rank-of-a-node.yaml
    Right: tests/corpus/good/FTC838-rank-of-a-process.yaml
    """
    if step.program is None or not any(launch.tool in _GIVES_RANKS for launch in step.launches):
        return
    for assignment in step.program.script.assignments:
        of_node = assignment.value is not None and set(assignment.value.names) & (step.ranks - {"RANK"})
        if assignment.name == "RANK" and assignment.exported and of_node:
            message = "RANK is the number of a process, and the launcher sets it; this is the number of a node"
            yield Finding(step.program.at(assignment.start), message, "export NODE_RANK only")
            return


RULES = (
    Rule("FTC106", "reserved-variable", variables_are_free, JobSpec, needed=True),
    Rule("FTC833", "unset-volcano-variable", volcano_sets_what_is_read, Step),
    Rule("FTC834", "unset-rendezvous-variable", ranks_are_set, Step),
    Rule("FTC836", "condition-never-true", tests_can_succeed, Step, Severity.NOTE),
    Rule("FTC897", "unset-variable-in-launcher-option", launcher_is_told, Step, Severity.WARNING),
    Rule("FTC838", "no-manual-rank-export", ranks_are_the_launchers, Step, Severity.NOTE),
)
