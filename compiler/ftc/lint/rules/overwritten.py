"""Rules on variables that somebody sets anew: a plugin behind the container's own, a launcher for each process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.lint.environment import plugin_variables
from ftc.lint.rule import Finding, Rule
from ftc.lint.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator


def own_values_count(step: Step) -> Iterator[Finding]:
    """A variable of a container is what it says.

    Plugins add theirs behind the container's own, and the last of a name counts. So `$(VC_WORKER_HOSTS)` in a value
    stands before its variable, and stays as it is, letter by letter.
    Source: Volcano, pkg/controllers/job/plugins; Kubernetes, dependent environment variables.

    Wrong: tests/corpus/bad/FTC835-variable-of-a-variable.yaml
    Right: tests/corpus/good/FTC835-variable-in-the-script.yaml
    """
    added = {variable.name: variable.plugin for variable in plugin_variables(step.pod, init=step.init)}
    for index, variable in enumerate(step.container.env):
        if variable.name in added:
            message = f"plugin {added[variable.name]} sets {variable.name}, and its value counts"
            yield Finding(step.at("env", index), message, "leave it out", Severity.WARNING)
        for name in re.findall(r"\$\(([A-Za-z_]\w*)\)", variable.value or ""):
            if name in added:
                message = f"$({name}) is not expanded here: plugin {added[name]} sets {name} behind it"
                yield Finding(step.at("env", index), message, f"use ${name} in the script")


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
    Rule("FTC835", own_values_count, Step),
    Rule("FTC838", ranks_are_the_launchers, Step, Severity.NOTE),
)
