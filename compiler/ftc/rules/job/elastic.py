"""Rules on trainings that begin with fewer nodes and go on without some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.given import variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.base import kind
from ftc.spec.job import JobSpec
from ftc.spec.launcher import LlamafactoryCli, Torchrun
from ftc.spec.method import Ddp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

_KEY = ("min_nodes",)


_LEAVE = "leave min_nodes out"


def elastic_has_room(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training has more nodes than it begins with.

    Otherwise nothing can be lost or added, and Volcano refuses a job that needs more pods than it has (`'minAvailable'
    is greater than 'replicas' in task`).

    Wrong: nodes=2 min_nodes=2
    Right: nodes=4 min_nodes=2 restarts=3
    """
    if spec.min_nodes is not None and spec.min_nodes >= spec.nodes:
        message = f"{spec.min_nodes} is not fewer than nodes, {spec.nodes}"
        yield Finding(_KEY, message, f"set nodes higher, or {_LEAVE}", (("nodes",),))


def launcher_is_elastic(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The launcher of an elastic training lets nodes come and go.

    torchrun does with `--nnodes MIN:MAX` and the c10d rendezvous, and llamafactory-cli calls it so (launcher.py,
    RDZV_ID); accelerate's config has one `num_machines`, and a program of your own is not known here. With torchrun
    ftc also removes a checkpoint that a coming node has cut short; llamafactory-cli needs a restart of the job for it.

    Wrong: nodes=4 min_nodes=2 restarts=3 launcher=accelerate
    Right: nodes=4 min_nodes=2 restarts=3 launcher=torchrun
    """
    if spec.min_nodes is not None and not isinstance(spec.launcher, LlamafactoryCli | Torchrun):
        message = f"the world of launcher {kind(spec.launcher)} has a fixed number of nodes"
        yield Finding(_KEY, message, f"use launcher=torchrun, or {_LEAVE}", (("launcher", "kind"),))


def checkpoints_fit_another_world(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training resumes with another number of processes than it had.

    DeepSpeed's optimizer state is cut into one part a process, and is loaded by as many again: `The checkpoint being
    loaded used a DP world size of …, but the current world size is …` (deepspeed, stage_1_and_2.py and engine.py).

    Wrong: nodes=4 min_nodes=2 restarts=3 engine=deepspeed-z2
    Right: nodes=4 min_nodes=2 restarts=3 engine=ddp
    """
    if spec.min_nodes is not None and not isinstance(spec.engine, Ddp):
        message = "its checkpoints are for one number of processes, and an elastic training changes it"
        yield Finding(("engine",), message, f"use engine=ddp, or {_LEAVE}", (_KEY,))


def ranks_are_not_written_down(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training has no table of its ranks.

    HCCL reads from RANK_TABLE_FILE who belongs to the world, made once for all pods (Ascend/mind-cluster, hccl.json).

    Wrong: nodes=4 min_nodes=2 restarts=3 env.RANK_TABLE_FILE=/user/hccl.json
    Right: nodes=4 env.RANK_TABLE_FILE=/user/hccl.json
    """
    for path, name, _value in variables(spec) if spec.min_nodes is not None else ():
        if name == "RANK_TABLE_FILE":
            yield Finding(path, "fixes the world that an elastic training changes", f"{_LEAVE}, or the table", (_KEY,))


def losses_are_restarts(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training may restart.

    When a node is lost, the processes of the others fail in their next exchange, and are started again as often as
    `restarts` says (torchrun, `--max-restarts`); a node that is added costs none. What came after the last checkpoint
    is trained again, and the batch is as large as the nodes are many.

    Wrong: nodes=4 min_nodes=2
    Right: nodes=4 min_nodes=2 restarts=3
    """
    if spec.min_nodes is not None and spec.restarts == 0:
        yield Finding(("restarts",), "0 lets the training end with the first node that it loses", "set restarts=3")


RULES = (
    Rule("FTC138", "elastic-needs-spare-nodes", elastic_has_room, JobSpec, needed=True),
    Rule("FTC139", "elastic-needs-elastic-launcher", launcher_is_elastic, JobSpec, needed=True),
    Rule("FTC140", "elastic-checkpoint-needs-same-world-size", checkpoints_fit_another_world, JobSpec),
    Rule("FTC141", "no-manual-ranks-in-elastic-training", ranks_are_not_written_down, JobSpec),
    Rule("FTC142", "elastic-needs-restarts", losses_are_restarts, JobSpec, Severity.WARNING),
)
