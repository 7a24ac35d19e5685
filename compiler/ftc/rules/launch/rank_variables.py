"""Rules on the variables of the rendezvous: scripts read only variables that are set."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity, did_you_mean, nearest
from ftc.manifests.environment import INDEX, TORCH, torch_tasks, variable_part
from ftc.manifests.objects import Kind
from ftc.manifests.shell.script import Expansion, Read, Word
from ftc.manifests.steps import Step, given_once
from ftc.patterns import lazily
from ftc.plan.environment import objection
from ftc.rules.rule import Finding, Rule
from ftc.spec.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftc.plan.types import RunPlan

# Rules on a spec.


def reserved_variable(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """Users do not set the variables of the rendezvous, of ftc's scripts and of bash.

    ftc sets them in each pod (rank, address, directories). If a variable has the same value everywhere, ranks wait for
    each other forever, or scripts use the wrong directory. Variables of bash change the scripts: SHELLOPTS=xtrace would
    print credentials to the log.
    Source: ftc, whose scripts read these variables; GNU Bash manual, Bash Variables.

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


_LIST = lazily(r"VC_(\w+)_(HOSTS|NUM)")


# Lists the names of a task's pods, one per line; mounted by plugin svc.
_FILE = lazily(r"/etc/volcano/(\w+)\.host")


RENDEZVOUS = {*TORCH, "NODE_RANK", "NNODES", "JOB_COMPLETION_INDEX"}


_NEAR = 0.8


def unset_volcano_variable(step: Step) -> Iterator[Finding]:
    """A script reads only those Volcano variables that the job's plugins set.

    Plugin svc sets VC_<TASK>_HOSTS and VC_<TASK>_NUM for each task of the job, plugin env sets VC_TASK_INDEX. An unset
    variable is empty: each pod behaves like the only one and trains alone, without an error.
    Source: Volcano, pkg/controllers/job/plugins; issue 1082.

    Wrong: tests/corpus/bad/FTC833-hosts-of-another-task.yaml
    Right: tests/corpus/good/FTC833-hosts-of-this-task.yaml
    """
    severity = Severity.ERROR if step.pod.job.several else Severity.WARNING
    program = step.program
    if program is None:
        return
    unset = list(_unset_reads(step, lambda read: _is_of_volcano(step, read)))
    for read in unset:
        yield Finding(program.at(read.start), *_reason(step, read.name), severity=severity)
    yield from _misnamed_tasks(step, {read.name for read in unset if read.name not in INDEX}, severity)
    job, files = step.pod.job, {crew.name.replace("-", "_") for crew in step.pod.job.crews}
    for found in _FILE.finditer(program.script.value):
        if "svc" not in job.plugins:
            message, help_ = f"{found[0]} does not exist: the job does not use plugin svc", "add to plugins: svc: []"
            yield Finding(program.at(found.start()), message, help_, severity=severity)
        elif found[1] not in files:
            message = f"{found[0]} does not exist: no task of the job has that name"
            yield Finding(program.at(found.start()), message, did_you_mean(found[1], files), severity=severity)


def _is_of_volcano(step: Step, read: Read) -> bool:
    """Whether a Volcano variable is required; a single pod does not require it if the script has a default."""
    ours = bool(_LIST.fullmatch(read.name)) or read.name in INDEX or bool(_correction(step, read.name))
    return ours and (step.pod.job.several or not read.tolerant) and not _has_substitute(step, read)


def _has_substitute(step: Step, read: Read) -> bool:
    """Whether an existing task substitutes for one of another job: `${VC_MASTER_NUM:-0} + VC_WORKER_NUM`."""
    job, default = step.pod.job, read.expansion.default or ""
    lists = [f"VC_{variable_part(crew.name)}_{what}" for crew in job.crews for what in ("HOSTS", "NUM")]
    given = {name for name in lists if "svc" in job.plugins and name in step.script.value}
    return bool(given) and bool(default) and (default == "0" or any(name in default for name in given))


def _correction(step: Step, name: str) -> str:
    """The correction of a misspelled name such as VC_TSK_INDEX; empty for a valid or unrelated name."""
    if not re.match("V[CK]_", name) or name in INDEX or _LIST.fullmatch(name):
        return ""
    tasks = [variable_part(crew.name) for crew in step.pod.job.crews]
    return nearest(name, [*INDEX, *(f"VC_{task}_{what}" for task in tasks for what in ("HOSTS", "NUM"))])


def _reason(step: Step, name: str) -> tuple[str, str]:
    job = step.pod.job
    if job.kind is Kind.VOLCANO and (meant := _correction(step, name)):
        return f"{name} is never set: it is not a variable of Volcano", meant
    if job.kind is not Kind.VOLCANO:
        return f"{name} is set in a VolcanoJob, but this is a {job.kind}", ""
    if name in INDEX:
        return f"{name} is never set: the job does not use plugin env", "add to plugins: env: []"
    if "svc" not in job.plugins:
        return f"{name} is never set: the job does not use plugin svc", "add to plugins: svc: []"
    known = [f"VC_{variable_part(crew.name)}_{name.rpartition('_')[2]}" for crew in job.crews]
    return f"{name} is never set: no task of the job has that name", did_you_mean(name, known)


def _misnamed_tasks(step: Step, names: set[str], severity: Severity) -> Iterator[Finding]:
    """Tasks whose variables would have another name even with the plugin."""
    job = step.pod.job
    if job.kind is not Kind.VOLCANO or "svc" in job.plugins:
        return
    for name in sorted(names):
        match = _LIST.fullmatch(name)
        tasks = [variable_part(crew.name) for crew in job.crews]
        if match and match[1] not in tasks:
            index = [crew.name for crew in job.crews].index(step.pod.crew.name)
            message = f"the script reads {name}, but the task is called '{step.pod.crew.name}'"
            expected = match[1].lower().replace("_", "-")
            help_ = f"call the task {expected}, or read VC_{tasks[index]}_{match[2]}"
            yield Finding(job.at("spec", "tasks", index, "name"), message, help_, severity=severity)


def _unset_reads(step: Step, matches: Callable[[Read], bool]) -> Iterator[Read]:
    """The first matching read of each variable that is not set."""
    if step.program is None or not step.environment.complete:
        return
    unchanged = _assigned_to_themselves(step)
    seen = {assignment.name for assignment in step.program.script.assignments if assignment.name not in unchanged}
    for read in step.program.script.reads:
        if matches(read) and read.name not in seen and read.name not in step.environment:
            seen.add(read.name)
            yield read


def _assigned_to_themselves(step: Step) -> set[str]:
    """The variables that are assigned only to themselves: `export RANK=$RANK`."""
    script = step.program.script if step.program else None
    values: dict[str, set[bool]] = {}
    for assignment in script.assignments if script else ():
        is_same = assignment.value is not None and assignment.value.parts == (Expansion(assignment.name),)
        values.setdefault(assignment.name, set()).add(is_same)
    return {name for name, same in values.items() if same == {True}}


def unset_rendezvous_variable(step: Step) -> Iterator[Finding]:
    """The rendezvous variables that a script reads are set.

    Plugin pytorch sets MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK, in its containers only. An Indexed Job sets
    JOB_COMPLETION_INDEX. NODE_RANK and NNODES must be set by the job.
    Source: Volcano, pkg/controllers/job/plugins/distributed-framework/pytorch; Kubernetes, pkg/controller/job.

    Wrong: tests/corpus/bad/FTC834-rank-from-nowhere.yaml
    Right: tests/corpus/good/FTC834-rank-of-the-plugin.yaml
    """
    if step.pod.job.kind is Kind.POD or step.program is None or step.program.opaque:
        return
    severity = Severity.ERROR if step.pod.job.several else Severity.WARNING
    for read in _unset_reads(step, lambda read: read.name in RENDEZVOUS and not read.tolerant):
        yield Finding(
            step.program.at(read.start), f"{read.name} is never set", _remedy(step, read.name), severity=severity
        )


def unset_variable_in_launcher_option(step: Step) -> Iterator[Finding]:
    """Variables in the options of a launcher are set.

    The shell expands a misspelled name to nothing: the launcher takes the next word for the value, or waits for an
    empty address. The index of a pod must come from the job, because an image cannot contain it.
    Source: POSIX, Shell Command Language, 2.6.2.

    Wrong: tests/corpus/bad/FTC897-misspelt-address.yaml
    Right: tests/corpus/good/FTC897-address-of-the-image.yaml
    """
    if step.program is None or step.program.opaque:
        return
    numbers = {name for word in _rank_words(step) for name in word.names} - step.ranks
    words = [word for launch in step.launches for word in launch.options.values()]
    in_options = {part.name for word in words for part in word.parts if isinstance(part, Expansion)}
    checked = (numbers | in_options) - RENDEZVOUS
    known = {*step.environment.variables, *(one.name for one in step.program.script.assignments)}
    for read in _unset_reads(
        step, lambda read: read.name in checked and not read.tolerant and not _is_of_volcano(step, read)
    ):
        near = get_close_matches(read.name, sorted(known), n=1, cutoff=_NEAR)
        if near:
            message = f"{read.name} is never set"
            yield Finding(step.program.at(read.start), message, f"did you mean '{near[0]}'?")
        elif read.name in numbers:
            yield Finding(step.program.at(read.start), f"{read.name} is never set", _remedy(step, "NODE_RANK"))


def _rank_words(step: Step) -> Iterator[Word]:
    """The words that give launchers the rank of their node."""
    for launch in step.launches:
        word = launch.option("node_rank", "machine_rank")
        word = given_once(step, launch, "NODE_RANK") if launch.tool == "llamafactory" else word
        if word is not None:
            yield word


def _remedy(step: Step, name: str) -> str:
    job = step.pod.job
    if name == "JOB_COMPLETION_INDEX":
        if job.batch or job.job_set:
            return "write completionMode: Indexed"
        return "only a Job sets it: use VC_TASK_INDEX with plugin env"
    if name in TORCH and "pytorch" in job.plugins:
        return (
            "init containers do not receive it"
            if step.init
            else f"plugin pytorch sets it in the tasks {' and '.join(torch_tasks(job))} only"
        )
    own = {"RANK": job.index, "NODE_RANK": job.index, "NNODES": str(job.total), "MASTER_PORT": "29500"}
    return f"set {name}={'$' if name.endswith('RANK') else ''}{own[name]}" if name in own and job.total else ""


def condition_on_unset_variable(step: Step) -> Iterator[Finding]:
    """A condition on a Volcano variable can be true.

    If the variable is not set, the branch for several nodes never runs, and every node trains alone.
    Source: Volcano, pkg/controllers/job/plugins.

    Wrong: tests/corpus/bad/FTC836-branch-that-never-runs.yaml
    Right: tests/corpus/good/FTC836-branch-that-runs.yaml
    """
    if step.program is None or not step.environment.complete:
        return
    names = {assignment.name for assignment in step.program.script.assignments}
    for read in step.program.script.reads:
        if read.tested and _LIST.fullmatch(read.name) and read.name not in step.environment and read.name not in names:
            message = f"{read.name} is never set, so this condition has the same result in every pod: each trains alone"
            severity = Severity.WARNING if step.pod.job.several else Severity.NOTE
            yield Finding(step.program.at(read.start), message, "", severity=severity)


_SETS_RANKS = ("torchrun", "llamafactory", "accelerate")


def no_manual_rank_export(step: Step) -> Iterator[Finding]:
    """The rank of a node is exported as NODE_RANK; RANK and WORLD_SIZE count processes.

    The launcher sets RANK for each process. An exported value applies to everything else that the script starts.
    Source: torchrun, torch/distributed/run.py; LLaMA-Factory, launcher.py, which reads NODE_RANK since 0.9.1.

    Wrong: tests/corpus/bad/FTC838-rank-of-a-node.yaml
    Right: tests/corpus/good/FTC838-rank-of-a-process.yaml
    """
    if step.program is None or not any(launch.tool in _SETS_RANKS for launch in step.launches):
        return
    for assignment in step.program.script.assignments:
        of_node = assignment.value is not None and set(assignment.value.names) & (step.ranks - {"RANK"})
        if assignment.name == "RANK" and assignment.exported and of_node:
            message = "RANK is the rank of a process and is set by the launcher, but this is the rank of a node"
            yield Finding(step.program.at(assignment.start), message, "export NODE_RANK only")
            return


RULES = (
    Rule("FTC106", "reserved-variable", reserved_variable, JobSpec, needed=True),
    Rule("FTC833", "unset-volcano-variable", unset_volcano_variable, Step),
    Rule("FTC834", "unset-rendezvous-variable", unset_rendezvous_variable, Step),
    Rule("FTC836", "condition-on-unset-variable", condition_on_unset_variable, Step, Severity.NOTE),
    Rule("FTC897", "unset-variable-in-launcher-option", unset_variable_in_launcher_option, Step, Severity.WARNING),
    Rule("FTC838", "no-manual-rank-export", no_manual_rank_export, Step, Severity.NOTE),
)
