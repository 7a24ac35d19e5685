"""Every target, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from ftc.output import verify
from ftc.plan.build import plan
from ftc.plan.types import Places, RunPlan
from ftc.spec.cluster import Cluster
from ftc.targets import batch_job, claims, image, llamafactory, local_script, volcano_job

if TYPE_CHECKING:
    from ftc.spec.job import JobSpec


def _as_it_is(_text: str, _cluster: Cluster) -> None:
    """Emitted as is; the rules on arguments check LLaMA-Factory's YAML."""


class Target(msgspec.Struct, frozen=True):
    """How a plan is emitted.

    `file` is the artifact's name, None if the plan's files are the artifact. `places` are set if the steps do not run
    in the pod. A target that is `on_request` is emitted only if a `-t` names it.
    """

    name: str
    help: str
    emit: Callable[[RunPlan], str]
    verify: Callable[[str, Cluster], None] = _as_it_is
    file: str | None = None
    places: Places | None = None
    on_request: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target("volcano", "a VolcanoJob for kubectl create", volcano_job.emit, verify.volcano, "volcano.yaml"),
        Target(
            "job",
            "a batch/v1 Job, with its Service for several nodes",
            batch_job.emit,
            verify.batch,
            "job.yaml",
            on_request=True,
        ),
        Target(
            "storage", "the claims that the run expects", claims.emit, verify.batch, "storage.yaml", on_request=True
        ),
        Target("llamafactory", "train.yaml and merge.yaml, as the pod has them", llamafactory.emit, on_request=True),
        Target("image", "a Dockerfile for the trainer's image", image.emit, file="Dockerfile", on_request=True),
        Target(
            "script",
            "a bash script that runs on this machine",
            local_script.emit,
            file="run.sh",
            places=local_script.HERE,
            on_request=True,
        ),
    )
}
RUNS = ("volcano", "job")
"""The targets whose objects run the job; applying two of them runs it twice."""


def outputs(spec: JobSpec, run: RunPlan, names: Iterable[str]) -> dict[str, str]:
    """The artifacts of these targets; a target with its own places gets its own plan."""
    chosen = {name: TARGETS[name] for name in names}
    return {name: one.emit(plan(spec, one.places) if one.places else run) for name, one in chosen.items()}
