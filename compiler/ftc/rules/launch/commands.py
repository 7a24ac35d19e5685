"""A rule on the launchers in a user's command, judged like those in a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import Metadata, Template, VolcanoSpec
from ftc.manifests.objects import Kind, Object, Versions
from ftc.manifests.steps import Run, Step, steps
from ftc.manifests.subjects import Crew, Job, Pod, Scene
from ftc.plan.train import NAME
from ftc.rules.given import commands, variables
from ftc.rules.launch import launchers, rendezvous, world_size
from ftc.rules.rule import Finding, Rule
from ftc.source import Document
from ftc.spec.job import JobSpec
from ftc.spec.method import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.diagnostics.model import KeyPath
    from ftc.plan.types import RunPlan
    from ftc.spec.base import Json


def command_launch_differs_from_job(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """A launcher in a command starts the processes of this job.

    ftc starts the command once on each node. Its environment has NNODES, NODE_RANK, NPROC_PER_NODE, MASTER_ADDR and
    MASTER_PORT, which `ftc plan` shows, but torchrun, accelerate and deepspeed need them as options. Without these
    every node trains alone, all of them write into the same directory, and the job succeeds. With other numbers the
    nodes wait for each other until the rendezvous times out. Only a shell expands the variables.
    Source: torchrun's defaults; accelerate, commands/launch.py; DeepSpeed, launcher/runner.py.

    Wrong: nodes=2 launcher=command 'launcher.command=[torchrun,train.py]'
    Right: nodes=2 launcher=command 'launcher.command=[bash,-c,"torchrun --nnodes=$NNODES --node_rank=$NODE_RANK
      --nproc_per_node=$NPROC_PER_NODE --master_addr=$MASTER_ADDR --master_port=$MASTER_PORT train.py"]'
    """
    if not isinstance(spec.launcher, Command):
        return
    run = _run(spec)
    reported: set[KeyPath] = set()
    # One finding per word, the errors first: a missing --nnodes says enough.
    for found in sorted(_as_in_manifests(run), key=lambda one: one.severity is not Severity.ERROR):
        where = ("launcher", *found.where.path[-2:])
        if where not in reported:
            reported.add(where)
            yield Finding(where, found.message, found.help, (("nodes",),), severity=found.severity)


_OF_JOBS = (*world_size.RULES, *rendezvous.RULES, *launchers.RULES)


def _as_in_manifests(run: Run) -> Iterator[Finding]:
    """The findings of the rules on manifests, with the options that a shell expands."""
    tools = {launch.tool for _, launch in run.launches}
    options = next((words for tool, words in _OPTIONS.items() if tool in tools), "")
    subjects_of: dict[type, tuple[Run | Step, ...]] = {Run: (run,), Step: run.steps}
    for rule in _OF_JOBS:
        subjects = subjects_of.get(rule.subject, ())
        for found in (one for subject in subjects for one in rule.check(subject)):
            help_ = f"start a shell: [bash,-c,'{options} …']" if options and rule.subject is Run else found.help
            yield msgspec.structs.replace(found, help=help_, severity=found.severity or rule.severity)


_TORCHRUN = (
    "torchrun --nnodes=$NNODES --node_rank=$NODE_RANK --nproc_per_node=$NPROC_PER_NODE --master_addr=$MASTER_ADDR "
    "--master_port=$MASTER_PORT"
)
_OPTIONS = {
    "torchrun": _TORCHRUN,
    "deepspeed": _TORCHRUN,  # the launcher of DeepSpeed needs ssh, or a hostfile
    "accelerate": "accelerate launch --multi_gpu --num_machines $NNODES --machine_rank $NODE_RANK --num_processes "
    "$((NNODES * NPROC_PER_NODE)) --main_process_ip $MASTER_ADDR --main_process_port $MASTER_PORT",
    "llamafactory": "FORCE_TORCHRUN=1 llamafactory-cli train",
}


def _run(spec: JobSpec) -> Run:
    """The job that starts the command on each node."""
    device = spec.hardware.device
    words = {path[-1]: list(given) for path, given in commands(spec) if path[0] == "launcher"}
    container = {
        "name": NAME,
        **words,
        "env": _environment(spec),
        "resources": {"limits": {device.resource: spec.devices} if device is not None else {}},
    }
    template = msgspec.convert({"spec": {"containers": [container]}}, Template)
    document = Document("", "", {}, None)
    this = Object(document, (), Kind.VOLCANO, {}, (), None, Versions("", ""))
    job = Job(this, Metadata(), (Crew("worker", spec.nodes, template, ()),), Scene(), VolcanoSpec())
    return Run(job, tuple(steps(Pod(job, job.crews[0]))))


def _environment(spec: JobSpec) -> list[Json]:
    """The variables that the command sees; the rank and the address are known in the pod only."""
    known = {"NNODES": spec.nodes, "NPROC_PER_NODE": spec.devices, "MASTER_PORT": spec.master_port}
    given = {**{name: value for _, name, value in variables(spec)}, **{name: str(one) for name, one in known.items()}}
    in_pod: list[Json] = [{"name": name, "valueFrom": {}} for name in ("NODE_RANK", "MASTER_ADDR")]
    return [*({"name": name, "value": value} for name, value in given.items()), *in_pod]


RULES = (Rule("FTC144", "command-launch-differs-from-job", command_launch_differs_from_job, JobSpec),)
