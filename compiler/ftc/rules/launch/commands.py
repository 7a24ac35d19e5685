"""A rule on the launchers in a user's command, judged like those in a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftc.diagnostics.model import Severity
from ftc.manifests.manifest import Metadata, Template, VolcanoSpec
from ftc.manifests.objects import Kind, Object, Versions
from ftc.manifests.steps import Run, Step, spot_of, steps
from ftc.manifests.subjects import MANY, Crew, Job, Pod, Scene
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
    from ftc.manifests.launch import Launch
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
    findings = (*_as_in_manifests(run), *_without_others(run))
    # One finding per word, the errors first: a missing --nnodes says enough.
    for found in sorted(findings, key=lambda one: one.severity is not Severity.ERROR):
        where = ("launcher", *found.where.path[-2:])
        if where not in reported:
            reported.add(where)
            yield Finding(where, found.message, found.help, (("nodes",),), severity=found.severity)


_OF_JOBS = (*world_size.RULES, *rendezvous.RULES, *launchers.RULES)


def _as_in_manifests(run: Run) -> Iterator[Finding]:
    """The findings of the rules on manifests, with the options that a shell expands."""
    tools = {launch.tool for _, launch in run.launches}
    options = next((_OPTIONS[tool] for tool in sorted(tools) if tool in _OPTIONS), "")
    subjects_of: dict[type, tuple[Run | Step, ...]] = {Run: (run,), Step: run.steps}
    for rule in _OF_JOBS:
        subjects = subjects_of.get(rule.subject, ())
        for found in (one for subject in subjects for one in rule.check(subject)):
            help_ = f"start a shell: [bash,-c,'{options} …']" if options and rule.subject is Run else found.help
            yield msgspec.structs.replace(found, help=help_, severity=found.severity or rule.severity)


_OPTIONS = {
    "accelerate": "accelerate launch --multi_gpu --num_machines $NNODES --machine_rank $NODE_RANK --num_processes "
    "$((NNODES * NPROC_PER_NODE)) --main_process_ip $MASTER_ADDR --main_process_port $MASTER_PORT",
    "torchrun": "torchrun --nnodes=$NNODES --node_rank=$NODE_RANK --nproc_per_node=$NPROC_PER_NODE "
    "--master_addr=$MASTER_ADDR --master_port=$MASTER_PORT",
}


def _without_others(run: Run) -> Iterator[Finding]:
    """Launchers that start processes on this node only."""
    for step, launch in run.launches if (run.job.total or 0) >= MANY else ():
        option = launch.option("standalone")
        reason = "--standalone makes each of them wait for the others on its own address" if option else ""
        reason = reason or ("deepspeed without a hostfile uses one node" if _without_hostfile(launch) else "")
        if reason:
            message = f"{launch.tool} runs in {run.job.total} pods, but {reason}"
            help_ = f"start a shell: [bash,-c,'{_OPTIONS['torchrun']} …']"
            yield Finding(spot_of(step, launch.command.words[0]), message, help_, severity=Severity.ERROR)


def _without_hostfile(launch: Launch) -> bool:
    return launch.tool == "deepspeed" and not launch.partly and not {"hostfile", "H"} & launch.options.keys()


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
