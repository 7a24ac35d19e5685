"""A rule on accelerate's own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.lint.files import resolved, text_of
from ftc.lint.held import Held, held
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Run, Step
from ftc.lint.subjects import MANY
from ftc.lint.world import number_in, spot_of, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.lint.launch import Launch
    from ftc.lint.text import Spot


def accelerate_starts_all(run: Run) -> Iterator[Finding]:
    """A configuration of accelerate is for the nodes and devices of the job.

    Without a distributed_type it starts one process; a rank or a number of nodes in the file is the same in every pod.
    An option of the command counts before the file.
    Source: accelerate, commands/launch.py and commands/config/config_args.py.

    Wrong: tests/corpus/bad/FTC839-one-process.yaml
    Right: tests/corpus/good/FTC839-processes-of-all.yaml
    """
    for step, launch in run.launches:
        word = launch.option("config_file") if launch.tool == "accelerate" else None
        path = resolved(step, word, launch.command.start) if word is not None else None
        text = text_of(step, path) if path is not None else None
        file = held(text)[0] if text is not None else None
        if file is not None:
            yield from _world(run, step, launch, file)


def _world(run: Run, step: Step, launch: Launch, file: Held) -> Iterator[Finding]:
    possible, devices = worlds(run), step.devices
    several = (possible is not None and min(possible) >= MANY) or (devices or 0) >= MANY
    kinds = {"multi_gpu", "use_deepspeed", "use_fsdp", "use_megatron_lm"} & launch.options.keys()
    if several and file.value("distributed_type") in ("NO", False) and not kinds:
        message = "distributed_type NO starts one process in each pod"
        yield Finding(file.at("distributed_type"), message, "write distributed_type: MULTI_GPU, or that of the devices")
    if file.value("use_cpu") is True and devices:
        message = f"use_cpu is true, and the container has {devices} devices"
        yield Finding(file.at("use_cpu"), message, "write use_cpu: false", Severity.WARNING)
    nodes, machines = _number(step, launch, file, "num_machines")
    if possible and machines is not None and machines not in possible and nodes is not None:
        message = f"num_machines is {machines}, and the job has {run.job.total} pods"
        yield Finding(nodes, message, f"write {run.job.total}")
    place, processes = _number(step, launch, file, "num_processes")
    right = (machines if machines is not None else 1) * (devices or 0)
    if place is not None and processes is not None and right and processes != right:
        message = f"num_processes is {processes}, on {machines or 1} nodes of {devices} devices"
        yield Finding(place, message, f"num_processes counts all nodes: {right}")
    yield from _ranks(run, step, launch, file)


def _ranks(run: Run, step: Step, launch: Launch, file: Held) -> Iterator[Finding]:
    possible = worlds(run)
    if not possible or min(possible) < MANY:
        return
    rank = file.value("machine_rank") if "machine_rank" not in launch.options else None
    if isinstance(rank, int) and (step.pod.replicas or 0) >= MANY:
        message = f"{step.pod.replicas} pods are rank {rank}"
        yield Finding(file.at("machine_rank"), message, "give --machine_rank on the command line, from the index")
    told = ("num_machines", "machine_rank", "main_process_ip")
    missing = [name for name in told if name not in launch.options and name not in file.data]
    if missing and not launch.partly:
        message = f"accelerate runs in {run.job.total} pods without {' and '.join(missing)}, here or in its file"
        options = " ".join(f"--{name} …" for name in missing)
        yield Finding(spot_of(step, launch.command.words[0]), message, f"add {options}")


def _number(step: Step, launch: Launch, file: Held, name: str) -> tuple[Spot | None, int | None]:
    """A number of the file, with its place, or the one that an option gives instead, which another rule judges."""
    word = launch.option(name)
    if word is not None:
        return None, number_in(step.value(word))
    value = file.value(name)
    return (file.at(name), value) if isinstance(value, int) and not isinstance(value, bool) else (None, None)


RULES = (Rule("FTC839", accelerate_starts_all, Run),)
