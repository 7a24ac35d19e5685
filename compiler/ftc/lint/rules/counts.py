"""Rules on variables and commands that count: nodes, processes, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.lint.objects import Kind
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.world import number_in, spot_of, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.text import Spot


def variables_count_right(run: Run) -> Iterator[Finding]:
    """Variables that count nodes and processes count those that there are.

    A launcher, or the program itself, waits for as many.
    Source: LLaMA-Factory, launcher.py; torch.distributed, env://.

    Wrong: tests/corpus/bad/FTC846-world-of-sixteen.yaml
    Right: tests/corpus/good/FTC846-world-of-eight.yaml
    """
    total = run.job.total
    for step in run.steps:
        if step.init or run.job.kind is Kind.POD or not total:
            continue
        pods = worlds(run) or {total}
        for name, place, number in _counted(step):
            devices = step.devices
            right = {
                "NNODES": pods,
                "NPROC_PER_NODE": {devices} if devices else {number},
                "WORLD_SIZE": {*pods, *(count * (devices or 0) for count in pods)} if devices else {number},
            }[name]
            if number not in right:
                have = f"{devices} devices a pod" if name == "NPROC_PER_NODE" else f"{total} pods"
                have += f" of {devices} devices" if name == "WORLD_SIZE" else ""
                most = max(one or 0 for one in right)
                severity = Severity.WARNING if name == "NPROC_PER_NODE" and number < most else None
                yield Finding(place, f"{name} is {number}, and the job has {have}", f"write {most}", severity)


def _counted(step: Step) -> Iterator[tuple[str, Spot, int]]:
    """Where a script or the container's own variables give these a number."""
    names = ("NNODES", "NPROC_PER_NODE", "WORLD_SIZE")
    for name in names:
        given = step.environment.get(name)
        number = number_in(given.value) if given is not None and given.index is not None else None
        if given is not None and given.index is not None and number is not None:
            yield name, step.at("env", given.index), number
    settings = [setting for launch in step.launches for setting in launch.command.settings]
    for assignment in (*step.script.assignments, *settings):
        number = number_in(step.value(assignment.value)) if assignment.value is not None else None
        if assignment.name in names and number is not None and not assignment.context.branch and step.program:
            yield assignment.name, step.program.at(assignment.start), number


def mpi_starts_all(run: Run) -> Iterator[Finding]:
    """Mpirun starts a process on each worker, or on each device of the workers.

    With more than there are slots it does not start at all; with fewer the rest is left over.
    Source: Open MPI, mpirun -np; Volcano, plugin mpi (MPI_HOST lists the workers).

    Wrong: tests/corpus/bad/FTC847-more-than-workers.yaml
    Right: tests/corpus/good/FTC847-a-process-a-worker.yaml
    """
    job = run.job
    if "mpi" not in job.plugins:
        return
    masters = {step.pod.crew.name for step, launch in run.launches if launch.tool == "mpirun"}
    workers = [crew for crew in job.crews if crew.name not in masters]
    pods = None if any(crew.replicas is None for crew in workers) else sum(crew.replicas or 0 for crew in workers)
    devices = {step.devices or 1 for step in run.steps if step.pod.crew.name not in masters and not step.init}
    for step, launch in run.launches:
        word = launch.option("np", "n", "c") if launch.tool == "mpirun" else None
        count = number_in(step.value(word)) if word is not None else None
        if word is None or count is None or not pods:
            continue
        if count not in {pods * number for number in {1, *devices}}:
            message = f"mpirun starts {count} processes, and the job has {pods} workers"
            yield Finding(spot_of(step, word), message, f"write -np {pods * max(devices, default=1)}")


RULES = (
    Rule("FTC846", variables_count_right, Run),
    Rule("FTC847", mpi_starts_all, Run),
)
