"""Rules on elastic trainings, whose number of nodes may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftc.diagnostics.model import Severity
from ftc.rules.given import title, variables
from ftc.rules.rule import Finding, Rule
from ftc.spec.base import kind
from ftc.spec.job import JobSpec
from ftc.spec.method import Ddp, LlamafactoryCli, Torchrun
from ftc.targets import POD_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftc.plan.types import RunPlan

_KEY = ("min_nodes",)


_REMOVE = "remove min_nodes"
_WHOLE = tuple(name for name, target in POD_TARGETS.items() if not target.elastic)


def elastic_has_spare_nodes(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training has more nodes than `min_nodes`.

    Otherwise it cannot lose or add a node, and Volcano rejects a job that requires more pods than it has
    (`'minAvailable' is greater than 'replicas' in task`).
    Source: Volcano, pkg/webhooks/admission/jobs/validate/admit_job.go.

    Wrong: nodes=2 min_nodes=2
    Right: nodes=4 min_nodes=2 restarts=3
    """
    if spec.min_nodes is not None and spec.min_nodes >= spec.nodes:
        message = f"{spec.min_nodes} is not less than nodes, {spec.nodes}"
        yield Finding(_KEY, message, f"raise nodes, or {_REMOVE}", (("nodes",),))


def launcher_is_elastic(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """The launcher of an elastic training supports a changing number of nodes.

    torchrun does, with `--nnodes MIN:MAX` and the c10d rendezvous, and llamafactory-cli calls torchrun this way. The
    configuration of accelerate has a fixed `num_machines`, and ftc cannot check your own program. With torchrun, ftc
    also removes a checkpoint that a joining node interrupted; with llamafactory-cli this takes a restart of the job.
    Source: torchrun, Elastic Launch; LLaMA-Factory, launcher.py (RDZV_ID); accelerate, num_machines.

    Wrong: nodes=4 min_nodes=2 restarts=3 launcher=accelerate
    Right: nodes=4 min_nodes=2 restarts=3 launcher=torchrun
    """
    if spec.min_nodes is not None and not isinstance(spec.launcher, LlamafactoryCli | Torchrun):
        message = f"launcher {kind(spec.launcher)} supports only a fixed number of nodes"
        yield Finding(_KEY, message, f"use launcher=torchrun, or {_REMOVE}", (("launcher", "kind"),))


def checkpoint_supports_another_world_size(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training resumes with a different number of processes.

    DeepSpeed splits the optimizer state into one part per process and loads it only with the same number: `The
    checkpoint being loaded used a DP world size of …, but the current world size is …`.
    Source: DeepSpeed, runtime/zero/stage_1_and_2.py and runtime/engine.py.

    Wrong: nodes=4 min_nodes=2 restarts=3 engine=deepspeed-z2
    Right: nodes=4 min_nodes=2 restarts=3 engine=ddp
    """
    if spec.min_nodes is not None and not isinstance(spec.engine, Ddp):
        message = "its checkpoints require a fixed world size, but an elastic training changes it"
        yield Finding(("engine",), message, f"use engine=ddp, or {_REMOVE}", (_KEY,))


def no_rank_table(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training does not use a rank table.

    HCCL reads the members of the world from RANK_TABLE_FILE, which is created once for all pods.
    Source: Ascend/mind-cluster, hccl.json.

    Wrong: nodes=4 min_nodes=2 restarts=3 env.RANK_TABLE_FILE=/user/hccl.json
    Right: nodes=4 env.RANK_TABLE_FILE=/user/hccl.json
    """
    for path, name, _value in variables(spec) if spec.min_nodes is not None else ():
        if name == "RANK_TABLE_FILE":
            yield Finding(
                path,
                "fixes the world size, but an elastic training changes it",
                f"{_REMOVE}, or remove the table",
                (_KEY,),
            )


def elastic_has_restarts(spec: JobSpec, _: RunPlan) -> Iterator[Finding]:
    """An elastic training has at least one restart.

    If a node is lost, the processes of the others fail in their next collective operation and restart, at most
    `restarts` times; a node that joins does not count. The training repeats the steps since the last checkpoint, and
    the global batch size depends on the number of nodes.
    Source: torchrun, `--max-restarts`.

    Wrong: nodes=4 min_nodes=2
    Right: nodes=4 min_nodes=2 restarts=3
    """
    if spec.min_nodes is not None and spec.restarts == 0:
        yield Finding(("restarts",), "0 ends the training when it loses the first node", "set restarts=3")


def target_is_elastic(spec: JobSpec, run: RunPlan) -> Iterator[Finding]:
    """The job of an elastic training continues without a lost node.

    A JobSet, also that of a TrainJob, deletes all pods if one fails, and starts them again. `min_nodes` then only lets
    the training start before all nodes are there. A VolcanoJob and a batch Job replace the lost pod, while the other
    nodes train.
    Source: JobSet, failurePolicy.

    Wrong: nodes=4 min_nodes=2 restarts=3 launcher=torchrun
    Right: nodes=4 restarts=3 launcher=torchrun
    """
    if spec.min_nodes is not None:
        message = f"a {title(run)} restarts all nodes when it loses one, so the others do not continue"
        yield Finding(_KEY, message, f"use -t volcano, or {_REMOVE}")


RULES = (
    Rule("FTC138", "elastic-needs-spare-nodes", elastic_has_spare_nodes, JobSpec, needed=True),
    Rule("FTC139", "elastic-needs-elastic-launcher", launcher_is_elastic, JobSpec, needed=True),
    Rule("FTC140", "elastic-checkpoint-needs-same-world-size", checkpoint_supports_another_world_size, JobSpec),
    Rule("FTC141", "no-manual-ranks-in-elastic-training", no_rank_table, JobSpec),
    Rule("FTC142", "elastic-needs-restarts", elastic_has_restarts, JobSpec, Severity.WARNING),
    Rule("FTC590", "elastic-needs-elastic-target", target_is_elastic, JobSpec, Severity.WARNING, target=_WHOLE),
)
